// Gendocs writes the pages of docs/cli, one for each command of the first level.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/command"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: gendocs FOLDER")
	}
	if err := write(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// write writes the pages into a folder, and takes away those of commands that are no
// more.
func write(folder string) error {
	old, err := filepath.Glob(filepath.Join(folder, "*.md"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root := command.New()
	pages := map[string][]byte{"README.md": index(root)}
	for _, cmd := range root.Commands() {
		if !cmd.Hidden {
			pages[cmd.Name()+".md"] = page(cmd)
		}
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// index is the page of the program itself.
func index(root *cobra.Command) []byte {
	var b bytes.Buffer
	section(&b, root, "#")
	for _, g := range root.Groups() {
		fmt.Fprintf(&b, "\n## %s\n\n| Command | |\n| --- | --- |\n", strings.TrimSuffix(g.Title, ":"))
		for _, cmd := range root.Commands() {
			if cmd.GroupID != g.ID || cmd.Hidden {
				continue
			}
			fmt.Fprintf(&b, "| [`%s`](%s.md) | %s |\n", cmd.CommandPath(), cmd.Name(), cmd.Short)
			for _, below := range cmd.Commands() {
				fmt.Fprintf(&b, "| [`%s`](%s.md#%s) | %s |\n", below.CommandPath(), cmd.Name(), strings.ReplaceAll(below.CommandPath(), " ", "-"), below.Short)
			}
		}
	}
	return b.Bytes()
}

// page is the page of a command and of those below it.
func page(cmd *cobra.Command) []byte {
	var b bytes.Buffer
	var add func(cmd *cobra.Command, heading string)
	add = func(cmd *cobra.Command, heading string) {
		if cmd.Hidden {
			return
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		section(&b, cmd, heading)
		for _, below := range cmd.Commands() {
			add(below, "##")
		}
	}
	add(cmd, "#")
	b.WriteString("\nThe flags of every command are in [the list of commands](README.md).\n")
	return b.Bytes()
}

// section describes a command, without the flags that every command has.
func section(b *bytes.Buffer, cmd *cobra.Command, heading string) {
	fmt.Fprintf(b, "%s %s\n", heading, cmd.CommandPath())
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(paragraph, " ") || strings.Contains(paragraph, "\n ") {
			fmt.Fprintf(b, "\n```text\n%s\n```\n", paragraph)
		} else {
			fmt.Fprintf(b, "\n%s\n", paragraph)
		}
	}
	if cmd.HasSubCommands() && cmd.HasParent() {
		b.WriteString("\n| Command | |\n| --- | --- |\n")
		for _, below := range cmd.Commands() {
			fmt.Fprintf(b, "| [`%s`](#%s) | %s |\n", below.CommandPath(), strings.ReplaceAll(below.CommandPath(), " ", "-"), below.Short)
		}
	} else if cmd.GroupID != "topics" {
		fmt.Fprintf(b, "\n```text\n%s\n```\n", cmd.UseLine())
	}
	if cmd.HasExample() {
		fmt.Fprintf(b, "\nExamples:\n\n```sh\n%s\n```\n", unindent(cmd.Example))
	}
	flags := cmd.NonInheritedFlags()
	if flags.HasAvailableFlags() {
		fmt.Fprintf(b, "\nFlags:\n\n```text\n%s```\n", flags.FlagUsages())
	}
}

func unindent(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(text, "  "), "\n  ", "\n")
}
