package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/urfave/cli/v2"
	"go.yaml.in/yaml/v3"

	"example.com/nexusctl/protocol/client"
)

func serverFlag() cli.Flag {
	return &cli.StringFlag{Name: "server", Usage: "the daemon, `URL` or host:port", EnvVars: []string{"NEXUS_SERVER"}, Value: "http://127.0.0.1:8080"}
}

func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FORMAT`: table, json, yaml or csv", Value: "table"}
}

// allFormats are those of every command that prints data.
var allFormats = []string{"table", "json", "yaml", "csv"}

// checkOutput refuses a format before any work is done. Without formats all are
// permitted.
func checkOutput(c *cli.Context, formats ...string) (string, error) {
	if len(formats) == 0 {
		formats = allFormats
	}
	f := c.String("output")
	for _, valid := range formats {
		if f == valid {
			return f, nil
		}
	}
	return "", usage("output %q is none of %s", f, strings.Join(formats, ", "))
}

func dialServer(c *cli.Context) (*client.HTTP, error) {
	h, err := client.NewHTTP(c.String("server"))
	if err != nil {
		return nil, usage("--server: %v", err)
	}
	return h, nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// emit prints data in the format: v as JSON or YAML, t as a table or CSV.
func emit(w io.Writer, format string, v any, t *table) error {
	switch format {
	case "json":
		return printJSON(w, v)
	case "yaml":
		return printYAML(w, v)
	}
	return t.print(w, format)
}

// printYAML prints what JSON would hold, under the same names.
func printYAML(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var node yaml.Node // JSON is YAML; a node keeps its order
	if err := yaml.Unmarshal(b, &node); err != nil {
		return err
	}
	plain(&node)
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	return errors.Join(e.Encode(&node), e.Close())
}

// plain takes JSON's braces and quotes away, where YAML needs none.
func plain(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		n.Style &^= yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		plain(c)
	}
}

// table is rows under headings, for people or as CSV.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer, format string) error {
	if format == "csv" {
		return t.csv(w)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			if i > 0 {
				_, _ = fmt.Fprint(tw, "\t")
			}
			_, _ = fmt.Fprint(tw, printable(cell))
		}
		_, _ = fmt.Fprintln(tw)
	}
	return tw.Flush()
}

// csv writes RFC 4180. A cell that a spreadsheet would run as a formula gets a
// quote before it.
func (t *table) csv(w io.Writer) error {
	cw := csv.NewWriter(w)
	for _, row := range append([][]string{t.head}, t.rows...) {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = cell
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) && !isNumber(cell) {
				safe[i] = "'" + cell
			}
		}
		if err := cw.Write(safe); err != nil {
			return err
		}
	}
	cw.Flush()
	return cw.Error()
}

func isNumber(s string) bool {
	var f float64
	n, err := fmt.Sscan(s, &f)
	return n == 1 && err == nil
}

// printable escapes what could steer a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
