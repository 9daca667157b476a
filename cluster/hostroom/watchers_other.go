//go:build !linux

package hostroom

// CheckWatchers refuses nothing: the engine's machine is another, and what it has
// left is not known here.
func CheckWatchers(string, int) error { return nil }
