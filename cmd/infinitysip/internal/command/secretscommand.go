package command

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/secrets"
	"github.com/infinitysip/infinitysip/provision"
)

func (a *app) secretsCommand() *cobra.Command {
	return group(&cobra.Command{
		Use: "secrets", Short: "Read a file of passwords, PINs and tokens",
		Example: "  infinitysip secrets show secrets.csv",
	}, a.secretsShowCommand())
}

func (a *app) secretsShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Print the passwords, PINs and tokens of a file of --secrets",
		Long: `Show prints what a file of --secrets has, as CSV: a line for each password, PIN and
token. Of the lines that say confirmed, the last one of a user or a device is in
force. It also reads FILE.part, which a run has left that was killed.

Needs no account. The file may be encrypted: then --identity names the key.`,
		Example: `  infinitysip secrets show secrets.csv
  infinitysip secrets show secrets.age --identity key.txt
  infinitysip secrets show secrets.age.part --identity key.txt`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&a.secrets.identity, "identity", "", "the `file` of the key that opens the file, if it is encrypted")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := args[0]
		data, err := a.readFile(cmd.Context(), name)
		if err != nil {
			return fmt.Errorf("reading the secrets: %w", err)
		}
		if secrets.Encrypted(data) {
			if a.secrets.identity == "" {
				return withMend(wrongUse("%s is encrypted", name), "Say with --identity FILE which key opens it.")
			}
			identities, err := a.secrets.identities()
			if err != nil {
				return err
			}
			if data, err = secrets.Decrypt(data, identities); err != nil {
				return fmt.Errorf("reading the secrets of %s: %w", name, err)
			}
		} else if a.secrets.identity != "" {
			return wrongUse("%s is not encrypted: leave --identity out", name)
		}
		if _, err := provision.ReadCredentials(bytes.NewReader(data)); err != nil {
			return fmt.Errorf("reading the secrets of %s: %s", name, strings.TrimPrefix(err.Error(), "provision: "))
		}
		if _, err := a.stdout.Write(data); err != nil {
			return written(err)
		}
		if _, err := os.Stat(name + ".part"); !errors.Is(err, os.ErrNotExist) && err == nil {
			fmt.Fprintf(a.stderr, "%s.part is of a run that did not end, and may have more: show that, too.\n", name)
		}
		return nil
	}
	return cmd
}
