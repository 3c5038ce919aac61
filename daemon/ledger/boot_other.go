//go:build !darwin

package ledger

func portableBootID() string { return "" }
