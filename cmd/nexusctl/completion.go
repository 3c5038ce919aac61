package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the completion script of a shell",
		ArgsUsage: "bash | zsh | fish",
		Description: `Examples:
   source <(nexusctl completion bash)
   nexusctl completion zsh > "${fpath[1]}/_nexusctl"
   nexusctl completion fish > ~/.config/fish/completions/nexusctl.fish`,
		Action: func(c *cli.Context) error {
			script, err := completionScript(c)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(c.App.Writer, script)
			return err
		},
	}
}

func completionScript(c *cli.Context) (string, error) {
	switch shell := c.Args().First(); {
	case c.NArg() != 1:
		return "", usage("completion takes one shell: bash, zsh or fish")
	case shell == "bash":
		return bashCompletion, nil
	case shell == "zsh":
		return zshCompletion, nil
	case shell == "fish":
		return c.App.ToFishCompletion()
	default:
		return "", usage("there is no completion for %q: name bash, zsh or fish", shell)
	}
}

// The scripts ask the program itself, which lists what may stand next.
const (
	bashCompletion = `# bash completion of nexusctl
_nexusctl() {
	local cur words
	cur="${COMP_WORDS[COMP_CWORD]}"
	words=("${COMP_WORDS[@]:0:COMP_CWORD}")
	if [[ "$cur" == -* ]]; then
		words+=("$cur")
	fi
	COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o bashdefault -o default -F _nexusctl nexusctl
`
	zshCompletion = `#compdef nexusctl
_nexusctl() {
	local -a found
	local cur="${words[CURRENT]}"
	if [[ "$cur" == -* ]]; then
		found=(${(f)"$(${words[1,CURRENT-1]} ${cur} --generate-bash-completion 2>/dev/null)"})
	else
		found=(${(f)"$(${words[1,CURRENT-1]} --generate-bash-completion 2>/dev/null)"})
	fi
	if (( ${#found} )); then
		compadd -a found
	else
		_files
	fi
}
if [ "$funcstack[1]" = "_nexusctl" ]; then
	_nexusctl "$@"
else
	compdef _nexusctl nexusctl
fi
`
)
