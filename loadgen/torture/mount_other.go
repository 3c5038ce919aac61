//go:build !linux

package torture

func canMount() string { return "needs --small-dir DIR on a small file system" }

func mountSmall(string, int) (string, func() error, error) {
	return "", nil, &unfit{canMount()}
}
