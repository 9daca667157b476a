//go:build !linux

package engine

// withholds: only Linux has capabilities.
func withholds() bool { return false }

// identity knows no processes: engines are started on Linux only.
func identity(int) string { return "" }

// programOf knows no processes: engines are started on Linux only.
func programOf(int) string { return "" }

// processNamed knows no processes: engines are started on Linux only.
func processNamed(string) int { return 0 }
