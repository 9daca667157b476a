package components

// Cached tells whether [Builder.Build] would find everything in place, for any
// version of Go. It makes nothing.
func (b Builder) Cached() bool {
	store, err := b.store()
	if err != nil {
		return false
	}
	prefix, err := treePrefix(b.all())
	if err != nil {
		return false
	}
	_, ok := store.Newest(prefix)
	return ok
}
