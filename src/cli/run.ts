import { parseArgs } from 'node:util'
import type { Fault } from '#engine/errors.ts'
import { exitCodes, userErrors, YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import { version } from '#engine/version.ts'
import type { Command, Invocation, Options } from './command.ts'
import { commands } from './commands.ts'
import { Output, table } from './output.ts'
import { errorData, showError } from './show-error.ts'
import { shown } from './shown.ts'

/** Options that every command has. */
export const globalOptions = {
  json: { type: 'boolean', help: 'print the result as JSON' },
  quiet: { type: 'boolean', short: 'q', help: 'print results and failures only' },
  verbose: { type: 'boolean', short: 'v', help: "print the builds' output as it comes" },
  help: { type: 'boolean', short: 'h', help: 'print this' },
} as const satisfies Options

/**
 * Runs one command line.
 * @param argv without the program's own name
 * @returns the exit code: 0 done, 1 the build or test failed, 2 wrong usage or project, 3 the environment lacks something
 */
export async function main(argv: readonly string[]): Promise<number> {
  // Folders that tasks are shown must be readable by the id that tasks have, whatever this user's habit.
  process.umask(0o022)
  const json = argv.includes('--json')
  const output = new Output(process.stdout, process.stderr, process.env, json)
  // A reader that has seen enough (`| head`) has closed its end: nobody is left to tell anything.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (failure: NodeJS.ErrnoException) => {
      if (failure.code !== 'EPIPE') throw failure
    })
  }
  try {
    return await dispatch(argv, output)
  } catch (failure) {
    const errors = userErrors(failure) ?? userErrors(await systemFailure(failure))
    if (errors === undefined) return bug(failure, output)
    if (json) output.printJson({ errors: errors.map(errorData) })
    for (const error of errors) showError(error, output)
    if (errors.length > 1) output.tell(`${errors.length} errors`)
    return exitCodes[worst(errors)]
  }
}

/** A full or read-only disk is no bug, wherever it shows. */
async function systemFailure(failure: unknown): Promise<unknown> {
  const path = failure instanceof Error && 'path' in failure ? String(failure.path) : process.cwd()
  return (await import('#engine/store/disk.ts')).writeFailure(failure, path)
}

/** Project errors are the user's to mend first, then the machine's. */
function worst(errors: readonly YoeError[]): Fault {
  const order: readonly Fault[] = ['project', 'environment', 'build']
  return order.find((fault) => errors.some((error) => error.fault === fault)) ?? 'build'
}

function bug(failure: unknown, output: Output): number {
  const text = failure instanceof Error ? failure.message : String(failure)
  if (output.json) output.printJson({ errors: [{ code: 'INTERNAL', message: text }] })
  output.tell(`${output.paintError('red', 'internal error')}: ${shown(text)}`)
  if (process.env['YOE_LOG'] === 'debug' && failure instanceof Error) output.tell(failure.stack ?? '')
  else output.tell('  this is a bug of yoe; run again with YOE_LOG=debug and report what it prints')
  return 1
}

async function dispatch(argv: readonly string[], output: Output): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && rest[0] === undefined)) {
    printOverview(output)
    return 0
  }
  if (name === 'help') {
    printHelp(await commandCalled(rest[0] ?? '').load(), output)
    return 0
  }
  if (name === '--version' || name === 'version') {
    if (output.json) output.printJson({ version, node: process.versions.node })
    else output.print(`yoe ${version}`)
    return 0
  }
  const project = /^--project(?:=(.*))?$/s.exec(name)
  if (project !== null) {
    // `yoe --project FILE build`, as well as after the command. @see seed, Projects
    const [file, verb, ...others] = project[1] === undefined ? rest : [project[1], ...rest]
    if (file !== undefined && verb !== undefined) return dispatch([verb, '--project', file, ...others], output)
  }
  if (name.startsWith('-')) {
    const command = rest.find((word) => Object.hasOwn(commands, word)) ?? 'plan'
    throw new YoeError('USAGE', `${name} stands where the command belongs`, {
      hint: `options come after it: yoe ${command} ${name}`,
    })
  }
  return execute(name, await commandCalled(name).load(), rest, output)
}

function commandCalled(name: string): (typeof commands)[string] {
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry !== undefined) return entry
  throw new YoeError('USAGE', `yoe has no command "${name}"`, {
    hint: didYouMean(name, Object.keys(commands)) ?? 'yoe --help lists the commands',
  })
}

async function execute(name: string, definition: Command, argv: readonly string[], output: Output): Promise<number> {
  const options: Options = { ...definition.options, ...globalOptions }
  const { values, positionals } = parse(name, options, argv)
  if (values['help'] === true) {
    printHelp(definition, output)
    return 0
  }
  const [least, most] = definition.positionals
  if (positionals.length < least || positionals.length > most) {
    throw new YoeError('USAGE', `yoe ${name} takes ${count(least, most)}, not ${positionals.length}`, {
      hint: `yoe ${definition.usage}`,
    })
  }
  const { createReporter } = await import('./reporter.ts')
  const reporter = createReporter(output, { quiet: values['quiet'] === true, verbose: values['verbose'] === true })
  const stop = new AbortController()
  const onSignal = (signal: NodeJS.Signals): void => stop.abort(new YoeError('CANCELLED', `stopped by ${signal}`))
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.once(signal, onSignal)
  try {
    const invocation: Invocation<Options> = {
      values,
      positionals,
      output,
      // A terminal shows what runs all the time.
      report: output.interactive
        ? reporter.report
        : (await import('#toolkit/heartbeat.ts')).withHeartbeat(reporter.report),
      env: process.env,
      cwd: process.cwd(),
      signal: stop.signal,
    }
    return await definition.run(invocation)
  } finally {
    for (const signal of signals) process.removeListener(signal, onSignal)
    reporter.close()
  }
}

type ParsedValues = Record<string, string | boolean | readonly string[] | undefined>

function parse(
  name: string,
  options: Options,
  argv: readonly string[],
): { values: never; positionals: readonly string[] } {
  try {
    const parsed = parseArgs({ args: [...argv], options: forParser(options), allowPositionals: true, strict: true })
    const values: ParsedValues = {}
    for (const [key, option] of Object.entries(options)) {
      const given = parsed.values[key]
      values[key] =
        option.type === 'boolean'
          ? given === true
          : option.multiple === true
            ? Array.isArray(given)
              ? given.map(String)
              : []
            : given === undefined
              ? undefined
              : String(given)
    }
    // parseArgs checked every value against the same table that the command's types come from.
    return { values: values as never, positionals: parsed.positionals }
  } catch (failure) {
    const text = failure instanceof Error ? failure.message : String(failure)
    const unknown = /^Unknown option '--?([^']+)'/.exec(text)?.[1]
    if (unknown !== undefined) {
      throw new YoeError('USAGE', `yoe ${name} has no option --${unknown}`, {
        hint:
          didYouMean(
            `--${unknown}`,
            Object.keys(options).map((known) => `--${known}`),
          ) ?? `yoe ${name} --help lists its options`,
      })
    }
    const named = /'(?:-\w, )?(--[\w-]+)/.exec(text)?.[1] ?? 'an option'
    const problem = /does not take an argument/.test(text) ? `${named} takes no value` : `${named} needs a value`
    throw new YoeError('USAGE', `yoe ${name}: ${problem}`, { hint: `yoe ${name} --help explains its options` })
  }
}

function forParser(
  options: Options,
): Record<string, { type: 'string' | 'boolean'; short?: string; multiple?: boolean }> {
  return Object.fromEntries(
    Object.entries(options).map(([key, { type, short, multiple }]) => [
      key,
      { type, ...(short === undefined ? {} : { short }), ...(multiple === undefined ? {} : { multiple }) },
    ]),
  )
}

function count(least: number, most: number): string {
  const words = (n: number): string => `${n === 0 ? 'no' : n} ${n === 1 ? 'argument' : 'arguments'}`
  if (least === most) return words(least)
  return most === Number.POSITIVE_INFINITY ? `at least ${words(least)}` : `${least} to ${words(most)}`
}

function printOverview(output: Output): void {
  output.print(`yoe ${version}: embedded-Linux systems from .star files`)
  output.print()
  output.print('usage: yoe COMMAND [ARGUMENT…]')
  output.print()
  for (const line of table(Object.entries(commands).map(([name, { summary }]) => [`  ${name}`, summary])))
    output.print(line)
  output.print()
  output.print(
    'yoe COMMAND --help explains a command. Exit codes: 0 done, 1 the build or test failed, 2 wrong usage or',
  )
  output.print('project, 3 this machine lacks something.')
}

function printHelp(definition: Command, output: Output): void {
  output.print(`usage: yoe ${definition.usage}`)
  output.print()
  output.print(definition.details.trim())
  output.print()
  output.print('options:')
  const rows = Object.entries({ ...definition.options, ...globalOptions }).map(
    ([name, option]: [string, Options[string]]) => {
      const short = option.short === undefined ? '    ' : `-${option.short}, `
      return [`  ${short}--${name}${option.value === undefined ? '' : ` ${option.value}`}`, option.help]
    },
  )
  for (const line of table(rows)) output.print(line)
}
