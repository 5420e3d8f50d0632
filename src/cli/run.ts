import type { Fault } from '#engine/errors.ts'
import { exitCodes, userErrors, YoeError } from '#engine/errors.ts'
import { version } from '#engine/version.ts'
import type { Command, Invocation, Options } from './command.ts'
import { commands } from './commands.ts'
import { askVerb } from './completion/scripts.ts'
import { optionsOf, printHelp, printOverview } from './help.ts'
import { Output } from './output.ts'
import { count, parse } from './parse.ts'
import { errorData, showError } from './show-error.ts'
import { shown } from './shown.ts'

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
  if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && isOption(rest[0]))) {
    const { listOwn } = await import('./own-commands.ts')
    printOverview(await listOwn(argv, output), output)
    return 0
  }
  if (name === askVerb) return (await import('./completion/complete.ts')).complete(rest, output)
  if (name === 'help') {
    printHelp(await definitionOf(rest[0] ?? '', rest.slice(1)), output)
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
  return execute(name, await definitionOf(name, rest), rest, output)
}

function isOption(word: string | undefined): boolean {
  return word === undefined || word.startsWith('-')
}

/** A command of yoe, or of the project that the arguments are about. @throws {YoeError} USAGE */
async function definitionOf(name: string, argv: readonly string[]): Promise<Command> {
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry !== undefined) return entry.load()
  const { ownCommand } = await import('./own-commands.ts')
  return ownCommand(name, argv)
}

async function execute(name: string, definition: Command, argv: readonly string[], output: Output): Promise<number> {
  const { values, positionals } = parse(name, optionsOf(definition), argv)
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
