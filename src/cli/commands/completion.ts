import { YoeError } from '#engine/errors.ts'
import { command } from '../command.ts'
import { completionScripts, shells } from '../completion/scripts.ts'

export const completion = command({
  usage: 'completion bash|zsh|fish',
  summary: 'print a script that completes command lines in a shell',
  details: `Prints a script for a shell, which then completes commands, options and the names of units, images, machines, distros
and modules, as they were when a command last looked at the project.

  source <(yoe completion bash)        in ~/.bashrc
  source <(yoe completion zsh)         in ~/.zshrc, after compinit
  yoe completion fish | source         in ~/.config/fish/config.fish`,
  options: {},
  helpOnly: true,
  positionals: [1, 1],
  completes: [shells],
  async run({ positionals, output }) {
    const shell = shells.find((known) => known === positionals[0])
    if (shell === undefined) {
      throw new YoeError('USAGE', `there is no completion for "${positionals[0]}"`, {
        hint: `it is there for ${shells.join(', ')}`,
      })
    }
    output.print(completionScripts[shell].trimEnd())
    return 0
  },
})
