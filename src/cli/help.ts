import { version } from '#engine/version.ts'
import type { ListedCommand } from '#toolkit/custom/listing.ts'
import type { Command, Options } from './command.ts'
import { globalOptions } from './command.ts'
import { commands } from './commands.ts'
import type { Output } from './output.ts'
import { table } from './output.ts'
import { shown } from './shown.ts'

/** Every command, those of the project last. */
export function printOverview(own: readonly ListedCommand[], output: Output): void {
  if (output.json) {
    const builtIn = Object.entries(commands).map(([name, { summary }]) => ({ name, description: summary }))
    output.printJson({ version, commands: [...builtIn, ...own] })
    return
  }
  output.print(`yoe ${version}: embedded-Linux systems from .star files`)
  output.print()
  output.print('usage: yoe COMMAND [ARGUMENT…]')
  output.print()
  for (const line of table(Object.entries(commands).map(([name, { summary }]) => [`  ${name}`, summary])))
    output.print(line)
  if (own.length > 0) {
    output.print()
    output.print('commands of this project:')
    const rows = own.map(({ name, description, module, problem }) => [
      `  ${shown(name)}`,
      problem === undefined ? shown(description) : output.paint('red', `can't be used: ${shown(problem)}`),
      output.paint('dim', module === '' ? '' : `of ${module}`),
    ])
    for (const line of table(rows)) output.print(line)
  }
  output.print()
  output.print(
    'yoe COMMAND --help explains a command. Exit codes: 0 done, 1 the build or test failed, 2 wrong usage or',
  )
  output.print('project, 3 this machine lacks something.')
}

/** The options that a command takes, those that every command has included. */
export function optionsOf(definition: Command): Options {
  return { ...definition.options, ...(definition.helpOnly === true ? { help: globalOptions.help } : globalOptions) }
}

/** What `--help` says of a command. */
export function printHelp(definition: Command, output: Output): void {
  output.print(`usage: yoe ${definition.usage}`)
  output.print()
  output.print(definition.details.trim())
  output.print()
  output.print('options:')
  const rows = Object.entries(optionsOf(definition)).map(([name, option]: [string, Options[string]]) => {
    const short = option.short === undefined ? '    ' : `-${option.short}, `
    return [`  ${short}--${name}${option.value === undefined ? '' : ` ${option.value}`}`, option.help]
  })
  for (const line of table(rows)) output.print(line)
}
