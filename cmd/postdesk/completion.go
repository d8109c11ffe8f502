package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash" help:"bash."`
}

// Help is shown by: postdesk completion --help.
func (completionCmd) Help() string { return "As in: source <(postdesk completion bash)" }

func (completionCmd) Run(a *app) error {
	parser, err := newParser(&commands{}, io.Discard, io.Discard)
	if err != nil {
		return err
	}
	c := &completion{}
	c.node(parser.Model.Node, "", nil)
	_, err = fmt.Fprintf(a.stdout, bashCompletion, strings.Join(c.paths, "|"), c.words.String(), c.values.String())
	return err
}

// completion gathers the cases of the script. A path is the commands before the word, each
// with a space before it.
type completion struct {
	paths  []string // each quoted
	words  strings.Builder
	values strings.Builder
}

// node writes what may stand behind a path; above are the flags that hold there too.
func (c *completion) node(n *kong.Node, path string, above []string) {
	var words []string
	flags := slices.Clone(above)
	own := n.Flags
	if n.DefaultCmd != nil {
		own = append(slices.Clone(own), n.DefaultCmd.Flags...)
	}
	for _, f := range own {
		if f.Hidden {
			continue
		}
		flags = append(flags, "--"+f.Name)
		if f.Enum != "" && !f.IsBool() {
			fmt.Fprintf(&c.values, "    %q) words=%q ;;\n", path+" --"+f.Name, strings.Join(f.EnumSlice(), " "))
		}
	}
	for _, child := range n.Children {
		if child.Hidden {
			continue
		}
		words = append(words, child.Name)
		c.paths = append(c.paths, fmt.Sprintf("%q", path+" "+child.Name))
		c.node(child, path+" "+child.Name, flags)
	}
	for _, p := range n.Positional {
		words = append(words, p.EnumSlice()...)
	}
	if path == " config" || path == " config show" {
		words = append(words, fileNames()...)
	}
	slices.Sort(flags)
	words = slices.DeleteFunc(append(words, slices.Compact(flags)...), func(w string) bool { return w == "" })
	fmt.Fprintf(&c.words, "    %q) words=%q ;;\n", path, strings.Join(words, " "))
}

const bashCompletion = `# bash completion for postdesk; made by: postdesk completion bash
_postdesk() {
  local word path="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case "$path $word" in
    %s) path="$path $word" ;;
    esac
  done
  case "$path" in
%s  esac
  case "$path ${COMP_WORDS[COMP_CWORD-1]}" in
%s  esac
  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _postdesk postdesk
`
