package kind

// Cannot says what clusters of this provider cannot do and why, by the names of
// clustertest's checks.
func Cannot() map[string]string {
	return map[string]string{}
}
