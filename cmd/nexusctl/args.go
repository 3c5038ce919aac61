package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// reorder puts flags that stand behind arguments before them. The library
// stops reading flags at the first argument and would take the rest, silently,
// as arguments: `query 'up' -o json` would not be JSON. What follows "--" is
// arguments and stays.
func reorder(app *cli.App, args []string) []string {
	if len(args) < 2 || args[len(args)-1] == "--generate-bash-completion" {
		return args // completion wants the words as they stand
	}
	out := []string{args[0]}
	commands, rest := app.Commands, args[1:]
	var flags []cli.Flag
	for len(rest) > 0 {
		c := find(commands, rest[0])
		if c == nil {
			break
		}
		out = append(out, rest[0])
		commands, flags, rest = c.Subcommands, c.Flags, rest[1:]
	}
	if flags == nil {
		return append(out, rest...)
	}
	var options, arguments []string
	for i := 0; i < len(rest); i++ {
		arg := rest[i]
		if arg == "--" {
			arguments = append(arguments, rest[i+1:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			arguments = append(arguments, arg)
			continue
		}
		options = append(options, arg)
		if takesValue(flags, arg) && i+1 < len(rest) {
			i++
			options = append(options, rest[i])
		}
	}
	out = append(out, options...)
	if len(arguments) > 0 {
		out = append(append(out, "--"), arguments...)
	}
	return out
}

func find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// takesValue reports whether the next word belongs to the flag.
func takesValue(flags []cli.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range flags {
		for _, n := range f.Names() {
			if n == name {
				_, isBool := f.(*cli.BoolFlag)
				return !isBool
			}
		}
	}
	return false
}
