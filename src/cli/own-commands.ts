import { parseArgs } from 'node:util'
import { userErrors, YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import { placeLabel } from '#engine/project/place.ts'
import type { Argument } from '#toolkit/custom/declaration.ts'
import type { OpenCommand } from '#toolkit/custom/evaluate.ts'
import type { ListedCommand } from '#toolkit/custom/listing.ts'
import type { ArgumentValue } from '#toolkit/custom/run.ts'
import type { Loaded, Workspace } from '#toolkit/workspace.ts'
import { loadProject, openWorkspace } from '#toolkit/workspace.ts'
import type { Command, Invocation, Option, Options } from './command.ts'
import { projectOptions } from './command.ts'
import { commands } from './commands.ts'
import type { Output } from './output.ts'
import { table } from './output.ts'
import { shown } from './shown.ts'

/** Options that every command of a project has. */
export const reach = { project: projectOptions.project, machine: projectOptions.machine } as const

/**
 * A command that the project, or one of its modules, declares in `commands/NAME.star`. Only that file is evaluated.
 * @param argv what follows the name: says which project
 * @throws {YoeErrors} USAGE when there is none; all that is wrong with the file, or with a project that may have one
 */
export async function ownCommand(name: string, argv: readonly string[]): Promise<Command> {
  const loaded = await projectAround(name, argv)
  const { commandFiles } = await import('#toolkit/custom/files.ts')
  const files = loaded === undefined ? undefined : commandFiles(loaded.project)
  const file = files?.get(name)
  if (loaded === undefined || file === undefined) throw noCommand(name, [...(files?.keys() ?? [])])
  const { CommandFiles } = await import('#toolkit/custom/evaluate.ts')
  const print = (text: string): void => {
    for (const line of text.split('\n')) process.stdout.write(`${shown(line)}\n`)
  }
  const opened = await (await CommandFiles.open(loaded.project, print)).evaluate(file)
  return definition(opened, loaded, placeLabel(file.place))
}

function noCommand(name: string, own: readonly string[]): YoeError {
  return new YoeError('USAGE', `yoe has no command "${name}"`, {
    hint: didYouMean(name, [...Object.keys(commands), ...own]) ?? 'yoe --help lists the commands',
  })
}

/** The project that a line is about; undefined outside of any, and where a misspelt command is all that there is to tell. */
async function projectAround(name: string, argv: readonly string[]): Promise<Loaded | undefined> {
  try {
    const { project, machine } = reachOf(argv)
    return await loadProject(workspaceFor(project), machine)
  } catch (failure) {
    const [error] = userErrors(failure) ?? []
    if (error?.code === 'PROJECT_NOT_FOUND') return undefined
    if (error !== undefined && didYouMean(name, Object.keys(commands)) !== undefined) return undefined
    throw failure
  }
}

/** The workspace of a line, without anybody to tell. */
export function workspaceFor(project: string | undefined): Workspace {
  const quiet = { report: () => {}, signal: new AbortController().signal }
  return openWorkspace({ cwd: process.cwd(), project, env: process.env, offline: false, locked: undefined, ...quiet })
}

/** `--project` and `--machine` of a line whose other options are not known yet. */
export function reachOf(argv: readonly string[]): { readonly project?: string; readonly machine?: string } {
  const options = { project: { type: 'string' }, machine: { type: 'string' } } as const
  const { values } = parseArgs({ args: [...argv], options, allowPositionals: true, strict: false })
  const { project, machine } = values
  return {
    ...(typeof project === 'string' ? { project } : {}),
    ...(typeof machine === 'string' ? { machine } : {}),
  }
}

/** The project's commands for `yoe --help`, which outside of any project, or in a broken one, is told as well. */
export async function listOwn(argv: readonly string[], output: Output): Promise<readonly ListedCommand[]> {
  try {
    const { project, machine } = reachOf(argv)
    const loaded = await loadProject(workspaceFor(project), machine)
    const { listCommands } = await import('#toolkit/custom/listing.ts')
    return await listCommands(loaded.project, Object.keys(commands))
  } catch (failure) {
    const [error] = userErrors(failure) ?? []
    if (error === undefined) throw failure
    if (error.code !== 'PROJECT_NOT_FOUND') {
      output.tell(
        `${output.paintError('yellow', 'warning')}: this project has errors, so its own commands are not listed`,
      )
    }
    return []
  }
}

function definition({ declaration, run }: OpenCommand, loaded: Loaded, file: string): Command {
  const { name, description, args } = declaration
  const places = args.filter(({ option }) => !option)
  const flags = args.filter(({ option }) => option)
  return {
    usage: [name, ...places.map(placeUsage), ...flags.map(flagUsage)].join(' '),
    summary: description,
    details: [description, ...argumentLines(places), `(${file})`].map((line) => shown(line)).join('\n'),
    options: { ...Object.fromEntries(flags.map((flag) => [flag.name, optionOf(flag)])), ...reach },
    helpOnly: true,
    positionals: [places.filter(({ required }) => required).length, places.length],
    async run(invocation) {
      const { runCommand } = await import('#toolkit/custom/run.ts')
      const { signal, report, output } = invocation
      await runCommand(
        { declaration, run },
        {
          loaded: { ...loaded, workspace: { ...loaded.workspace, signal, report } },
          values: valuesOf(name, args, invocation),
          onOutput: (chunk) => process.stdout.write(chunk),
          onLog: (line) => output.tell(shown(line)),
        },
      )
      return 0
    },
  }
}

const placeholder = ({ name }: Argument): string => name.toUpperCase()

const placeUsage = (argument: Argument): string =>
  argument.required ? placeholder(argument) : `[${placeholder(argument)}]`

function flagUsage(argument: Argument): string {
  const text = argument.type === 'bool' ? `--${argument.name}` : `--${argument.name} ${valueName(argument)}`
  return argument.required ? text : `[${text}]`
}

const valueName = ({ type, name }: Argument): string => (type === 'int' ? 'N' : name.toUpperCase())

/** How an argument with `--` in front is given. */
export function optionOf(argument: Argument): Option {
  const { help, type } = argument
  if (type === 'bool') return { type: 'boolean', help }
  return { type: 'string', value: valueName(argument), help: helpOf(argument) }
}

function argumentLines(places: readonly Argument[]): readonly string[] {
  if (places.length === 0) return []
  return ['', ...table(places.map((argument) => [`  ${placeholder(argument)}`, helpOf(argument)])), '']
}

function helpOf({ help, fallback, required }: Argument): string {
  const more = required ? 'required' : fallback === null ? '' : `default: ${fallback}`
  if (more === '') return help
  return help === '' ? more : `${help} (${more})`
}

function valuesOf(
  command: string,
  args: readonly Argument[],
  { values, positionals }: Invocation<Options>,
): ReadonlyMap<string, ArgumentValue> {
  const given = new Map<string, string | boolean | undefined>()
  for (const [index, { name }] of args.filter(({ option }) => !option).entries()) given.set(name, positionals[index])
  for (const { name } of args.filter(({ option }) => option)) {
    const value = values[name]
    if (typeof value === 'string' || typeof value === 'boolean') given.set(name, value)
  }
  return new Map(args.map((argument) => [argument.name, typedValue(command, argument, given.get(argument.name))]))
}

/** @throws {YoeError} USAGE */
function typedValue(command: string, argument: Argument, given: string | boolean | undefined): ArgumentValue {
  const { name, option, type, required, fallback } = argument
  const shownName = option ? `--${name}` : placeholder(argument)
  const hint = `yoe ${command} --help explains its arguments`
  if (given === undefined) {
    if (required) throw new YoeError('USAGE', `yoe ${command} needs ${shownName}`, { hint })
    return fallback
  }
  if (type !== 'int') return given
  if (typeof given === 'string' && /^-?[0-9]{1,15}$/.test(given)) return Number(given)
  throw new YoeError('USAGE', `yoe ${command}: ${shownName} must be a whole number, not ${JSON.stringify(given)}`, {
    hint,
  })
}
