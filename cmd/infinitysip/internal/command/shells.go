package command

import (
	"github.com/spf13/cobra"
)

func (a *app) completionCommand() *cobra.Command {
	var bare bool
	cmd := &cobra.Command{
		Use:   "completion SHELL",
		Short: "Write what completes commands and names in a shell",
		Long: `Writes a script with which a shell completes commands, flags, and the names of the
things that are on the server. SHELL is bash, zsh, fish or powershell.

  bash        infinitysip completion bash >~/.local/share/bash-completion/completions/infinitysip
              (the package bash-completion has to be installed)
  zsh         infinitysip completion zsh >"${fpath[1]}/_infinitysip"
              (~/.zshrc has to call: autoload -U compinit; compinit)
  fish        infinitysip completion fish >~/.config/fish/completions/infinitysip.fish
  powershell  infinitysip completion powershell | Out-String | Invoke-Expression
              (put this line into $PROFILE)

Then begin a new shell.`,
		Example:   "  infinitysip completion bash\n  infinitysip completion zsh --no-descriptions",
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
	}
	cmd.Flags().BoolVar(&bare, "no-descriptions", false, "complete words without their descriptions")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		root := cmd.Root()
		switch {
		case args[0] == "bash":
			return written(root.GenBashCompletionV2(a.stdout, !bare))
		case args[0] == "zsh" && bare:
			return written(root.GenZshCompletionNoDesc(a.stdout))
		case args[0] == "zsh":
			return written(root.GenZshCompletion(a.stdout))
		case args[0] == "fish":
			return written(root.GenFishCompletion(a.stdout, !bare))
		case args[0] == "powershell" && bare:
			return written(root.GenPowerShellCompletion(a.stdout))
		case args[0] == "powershell":
			return written(root.GenPowerShellCompletionWithDesc(a.stdout))
		}
		return misused(cmd, "there is no completion for %q: SHELL is bash, zsh, fish or powershell", args[0])
	}
	return cmd
}
