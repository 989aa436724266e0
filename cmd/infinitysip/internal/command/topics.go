package command

import "github.com/spf13/cobra"

// topics are commands that only have a help.
func (a *app) topics() []*cobra.Command {
	topic := func(name, short, text string) *cobra.Command {
		return &cobra.Command{
			Use: name, Short: short, Long: text,
			RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		}
	}
	return []*cobra.Command{
		topic("exit-codes", "What the exit codes mean", `The exit codes:

   0  The command did what it should. A list without rows, and a plan without
      changes, are that too.
   1  The command failed, or was stopped.
   2  A plan has changes. Only "infinitysip plan" ends with it.
   3  A change was sent, and nobody knows whether it took effect: the answer was
      lost. Look before you do it again. The message says what to look for.
   4  A thing that was named is not there.
   5  There are no credentials, or the server refuses them.
  64  The command line is wrong. Nothing was sent.

Messages go to standard error. The result alone goes to standard output.`),
		topic("environment", "Which variables are read, and where credentials come from", `Credentials are taken from the first of these that has them:

  1. the file of --credentials-file
  2. the profile of --profile
  3. INFINITY_API_KEY, or INFINITY_USERNAME and INFINITY_PASSWORD
  4. the profile that INFINITY_PROFILE names
  5. the profile in use (see "infinitysip profile")

They are never the value of a flag, which other users of the computer could read.

Further variables:

  INFINITY_BASE_URL  the server, if it is not `+usualServer+`.
                     Credentials of a file or a profile that name another server
                     are refused while it is set.
  INFINITY_DOMAIN    the domain that commands work in, if --domain does not say it.
                     It goes before the domain of a profile, unless --profile or
                     --credentials-file names that.
  NO_COLOR           if it is set, nothing is coloured
  COLUMNS            the width of the terminal
  XDG_CONFIG_HOME    the folder of the profiles is infinitysip in it. Without it,
                     that is the folder of the system: ~/.config on Linux.

A file of credentials has lines of NAME=VALUE, with the names above that hold
credentials, the server and the domain:

  # the account of the Leeds office
  INFINITY_API_KEY=…
  INFINITY_DOMAIN=leeds

A value may be in single or double quotes. The file is refused if anybody but you
can read it: chmod 600 FILE.`),
		topic("filters", "How the rows of a list are chosen and sorted", `A condition (--where) is a field, an operator and a value:

  name begins Lobby              name is not 'Lobby 2'
  extension in 201,202,203       name contains desk any case
  extension >= 300               name like L*y
  company is not set             name matches /^Lobby [0-9]/
  network within 192.0.2.0/24    updated before 90 days ago

The operators are is, is not, begins, ends, contains, in, like, matches, within (a
network), >, >=, <, <=, after, before, is set and is not set. The word "not" may go
before begins, ends, contains, in, like, matches and within. Case matters, unless "any
case" follows. A date is 2026-01-31, 2026-01-31 14:30 or 90 days ago, in UTC. Nothing
is neither before nor after a date, and neither greater nor less than a number. If
there are several --where, all must hold.

The help of each list names its fields. They are the columns of its table too:
--columns chooses which are shown, and "--columns all" shows all.

--sort sorts the rows here, so it holds them all. --order-by has the server sort; it
is there only for the lists for which the API has that. --limit ends the list after
so many rows.

The server is asked for the rows that meet the conditions where the API has that. All
rows are checked again here, so the result is the same with every server.

A table is for people: on a terminal it is made to fit. The other formats have every
field, under the name that the API has for it; a CSV has columns, as a table has.

The template of -o template=TEXT is written for each row. In it are

  {{.displayName}}                           a field, as -o json names it
  {{if .email}}A{{else if .phone}}B{{end}}   A if the row has an email, else B if …
  {{if and (eq .user "joe") (not .email)}}   eq, ne, and, or, not
  {{printf "%-20s" .displayName}}            print, println, printf, as Go has them
  {{len .displayName}}                       how many characters
  {{slice .displayName 0 3}}                 the first three characters
  {{"\t"}}                                    a tab

Values are written to the letter. A spreadsheet may take one in a CSV that begins
with =, +, - or @ for a formula.`),
		topic("passwords", "What happens to passwords, PINs and tokens", `A password, a PIN, a token or an API key is never the value of a flag, and never
appears in an error or in what --debug writes.

You give one in a file, or on standard input: --password-file FILE, where - is
standard input. Or the program makes one up.

What is made up, and what the server gives, such as the token of a device, cannot
be read later. So a command that gets one asks where it goes before it sends
anything:

  --secrets FILE              to the end of a file that only you can read
  --secrets FILE --age KEY    the same, encrypted for a recipient of age
  --show-secrets              to standard error, for you to read`),
	}
}
