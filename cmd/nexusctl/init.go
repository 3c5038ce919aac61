package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon/config"
)

func initCommand() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "write a settings file, and make the data directory",
		ArgsUsage: "[FILE]",
		Description: `Writes ./nexus.toml, or FILE, with every setting, its default and a comment, and
makes the data directory for this user alone. A file that is there is left as it
is, unless --force.

Examples:
   nexusctl init
   nexusctl init /etc/nexusctl/nexus.toml --data-dir /var/lib/nexusctl`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "data-dir", Usage: "make this `DIR` (default: as the daemon would)"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite a file that is there"},
			&cli.BoolFlag{Name: "dry-run", Usage: "say what would be written, and write nothing"},
		},
		Action: runInit,
	}
}

func runInit(c *cli.Context) error {
	if c.NArg() > 1 {
		return usage("init takes one file")
	}
	path := "nexus.toml"
	if c.NArg() == 1 {
		path = c.Args().First()
	}
	dir := c.String("data-dir")
	if dir == "" {
		dir = config.Default().Server.DataDir
	}
	if c.Bool("dry-run") {
		_, err := fmt.Fprintf(c.App.Writer, "would write %s and make %s\n", path, dir)
		return err
	}
	text := config.DefaultFile
	if c.IsSet("data-dir") {
		text = withDataDir(text, dir)
	}
	if err := writeSettings(path, text, c.Bool("force")); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	_, err := fmt.Fprintf(c.App.Writer, "wrote %s, made %s\n\nNext:\n  nexusctl config validate %s\n  nexusctl daemon --config %s\n  nexusctl top\n", path, dir, path, path)
	return err
}

// withDataDir sets the one setting that has no default in the file.
func withDataDir(text []byte, dir string) []byte {
	line := regexp.MustCompile(`(?m)^#data_dir = .*$`)
	return line.ReplaceAllLiteral(text, []byte("data_dir = "+strconv.Quote(dir)))
}

func writeSettings(path string, text []byte, force bool) error {
	flags := os.O_CREATE | os.O_WRONLY | os.O_EXCL
	if force {
		flags = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	f, err := os.OpenFile(path, flags, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already and was left as it is: choose another name, or overwrite it with --force", path)
	}
	if err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
