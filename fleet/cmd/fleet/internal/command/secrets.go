package command

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/cmd/fleet/internal/folder"
	"github.com/infinitysip/infinitysip/provision"
)

func (a *app) secretsCommand() *cobra.Command {
	var files []string
	var account, domain, out string
	var show bool
	cmd := &cobra.Command{
		Use:   "secrets --identity FILE",
		Short: "Read the passwords, PINs and tokens that were set",
		Long: `Secrets decrypts the passwords, PINs and tokens that are in force, and writes them as
CSV with the columns account, domain, state, user, device, password, pin and token.
They are those that the server confirmed, of each user and each device the last. Those of
users and devices that are deleted by now are among them. After the first two, the
columns are those of the file that provision.KeepCSV writes. An apostrophe is put before
a name that a spreadsheet would take for a formula.

The workers can write secrets and cannot read them. The file of --identity has the
key that belongs to a --recipient of theirs, as age-keygen writes it. Secrets that it
cannot decrypt are counted: the others are written, and the exit code is 1.`,
		Example: `  age-keygen -o key.txt
  fleet secrets --identity key.txt --out secrets.csv
  fleet secrets --identity key.txt --account acme --domain North --show-secrets`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case len(files) == 0:
				return wrongUse("secrets needs --identity")
			case out == "" && !show && isTerminal(a.stdout):
				return wrongUse("whoever sees this terminal would see the secrets: give --out FILE, or --show-secrets if that is what you want")
			}
			if account != "" {
				if err := folder.CheckAccount(account); err != nil {
					return &usageError{err}
				}
			}
			identities, err := identities(files)
			if err != nil {
				return err
			}
			return a.inDatabase(cmd.Context(), func(db *fleet.DB) error {
				secrets, failed := db.Secrets(cmd.Context(), identities...)
				if failed != nil && len(secrets) == 0 {
					return failed
				}
				var chosen []fleet.Secret
				for _, s := range secrets {
					if (account == "" || s.Account == account) && (domain == "" || s.Domain == domain) {
						chosen = append(chosen, s)
					}
				}
				var text bytes.Buffer
				err := writeSecrets(&text, chosen, out == "" && isTerminal(a.stdout))
				if err == nil && out == "" {
					_, err = a.stdout.Write(text.Bytes())
				} else if err == nil {
					if err = create(out, text.Bytes()); err == nil {
						fmt.Fprintf(a.stdout, "%s in %s.\n", count(len(chosen), "secret"), out)
					}
				}
				return errors.Join(err, failed)
			})
		},
	}
	a.databaseFlag(cmd)
	cmd.Flags().StringArrayVar(&files, "identity", nil, "the `file` of a key that the secrets are encrypted to; may be repeated")
	cmd.Flags().StringVar(&account, "account", "", "those of this `account` alone")
	cmd.Flags().StringVar(&domain, "domain", "", "those of the domains of this `name` alone")
	cmd.Flags().StringVarP(&out, "out", "o", "", "write them to this `file`, which must not be there and which only you can read")
	cmd.Flags().BoolVar(&show, "show-secrets", false, "write them to a terminal")
	return cmd
}

// identities reads the keys of files. No error holds what is in them.
func identities(files []string) ([]age.Identity, error) {
	var all []age.Identity
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the identity cannot be read: %w", err)
		}
		of, err := age.ParseIdentities(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("%s has no identity of age: it needs one a line, as age-keygen writes it", file)
		}
		all = append(all, of...)
	}
	return all, nil
}

// recipients reads recipients, and files of them. No error holds what was given, which
// may be a secret key by mistake.
func recipients(texts, files []string) (all []age.Recipient, wrong []error) {
	read := func(where, text string) {
		if strings.Contains(text, "AGE-SECRET-KEY-") || strings.Contains(text, "PRIVATE KEY") {
			wrong = append(wrong, fmt.Errorf("%s has a secret key, which nobody else may see: give the recipient that belongs to it, which begins with age1", where))
			return
		}
		of, err := age.ParseRecipients(strings.NewReader(text))
		if err != nil || len(of) == 0 {
			wrong = append(wrong, fmt.Errorf("%s has no recipient of age: it begins with age1, and age-keygen tells it", where))
			return
		}
		all = append(all, of...)
	}
	for _, text := range texts {
		read("--recipient", text)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("the recipients cannot be read: %w", err))
			continue
		}
		read(file, string(data))
	}
	return all, wrong
}

// writeSecrets writes CSV with the columns of provision.KeepCSV, after those of the
// domain. On a terminal, what it would obey in a name is escaped.
func writeSecrets(w io.Writer, all []fleet.Secret, terminal bool) error {
	name := func(text string) string {
		if terminal {
			text = printable(text)
		}
		return provision.GuardCSV(text)
	}
	c := csv.NewWriter(w)
	_ = c.Write([]string{"account", "domain", "state", "user", "device", "password", "pin", "token"}) // Error has it
	for _, s := range all {
		_ = c.Write([]string{
			s.Account, name(s.Domain), string(s.State), name(s.User), name(s.Device),
			s.Password.Reveal(), s.PIN.Reveal(), s.Token.Reveal(),
		})
	}
	c.Flush()
	return c.Error()
}

// create writes a file that is not there yet, and which only its owner can read: as a
// whole, or not at all.
func create(path string, text []byte) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and is left as it is: give another name", path)
	}
	if err != nil {
		return fmt.Errorf("the secrets cannot be written: %w", err)
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(fmt.Errorf("the secrets cannot be written: %w", err), os.Remove(path))
	}
	return nil
}
