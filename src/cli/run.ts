import type { Fault } from '#engine/errors.ts'
import { exitCodes, userErrors, YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import { version } from '#engine/version.ts'
import type { Command } from './command.ts'
import { commands } from './commands.ts'
import { askVerb } from './completion/scripts.ts'
import type { EventStream } from './event-stream.ts'
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
  // Where events are, results are not.
  const events = argv.some((word, index) => word === '--events=-' || (word === '-' && argv[index - 1] === '--events'))
  const output = new Output(events ? process.stderr : process.stdout, process.stderr, process.env, json)
  // A reader that has seen enough (`| head`) has closed its end: nobody is left to tell anything.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (failure: NodeJS.ErrnoException) => {
      // A terminal that was hung up answers EIO; what runs is ended by the signal that comes with it.
      if (failure.code !== 'EPIPE' && failure.code !== 'EIO') throw failure
    })
  }
  try {
    requireFolder()
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

/** @throws {YoeError} PROJECT_NOT_FOUND when the folder that this shell is in was removed */
function requireFolder(): void {
  try {
    process.cwd()
  } catch (cause) {
    throw new YoeError('PROJECT_NOT_FOUND', 'the current folder was removed', {
      hint: 'cd to one that is there',
      cause,
    })
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
  // A terminal shows what runs all the time.
  const shown = output.interactive
    ? reporter.report
    : (await import('#toolkit/heartbeat.ts')).withHeartbeat(reporter.report)
  const stopping = stopOnSignals(() => reporter.close())
  try {
    const events = await eventsFor(name, values, shown, output)
    const report: Reporter = (event) => {
      shown(event)
      events?.report(event)
    }
    const work = { values, positionals, output, env: process.env, cwd: process.cwd(), signal: stopping.signal }
    try {
      const code = await definition.run({ ...work, report: events === undefined ? shown : report })
      await events?.end({ code })
      return code
    } catch (failure) {
      const errors = userErrors(stopping.signal.aborted ? stopping.signal.reason : failure)
      await events?.end({ errors: errors?.map(errorData) ?? [{ code: 'INTERNAL', message: String(failure) }] })
      // What was interrupted in the middle fails in many ways, of which none is the reason.
      throw stopping.signal.aborted && userErrors(failure) === undefined ? stopping.signal.reason : failure
    }
  } finally {
    stopping.forget()
    reporter.close()
  }
}

/** What `--events` asks for. @throws {YoeError} USAGE */
async function eventsFor(
  name: string,
  values: Readonly<Record<string, unknown>>,
  report: Reporter,
  output: Output,
): Promise<EventStream | undefined> {
  const to = values['events']
  if (typeof to !== 'string') return undefined
  if (to === '-' && output.json) {
    throw new YoeError('USAGE', '--events - and --json both want standard output', { hint: 'say --events FILE' })
  }
  const { openEventStream } = await import('./event-stream.ts')
  return openEventStream(to, name, (why) => report({ type: 'warning', message: `events end here: ${why}` }))
}

/**
 * The first signal asks the work to end in order; a second one ends the process at once, and with it everything that it
 * started.
 */
function stopOnSignals(last: () => void): { readonly signal: AbortSignal; forget(): void } {
  const stop = new AbortController()
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const forget = (): void => {
    for (const signal of signals) process.removeListener(signal, onSignal)
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!stop.signal.aborted) {
      stop.abort(new YoeError('CANCELLED', `stopped by ${signal}`))
      return
    }
    last()
    forget()
    process.kill(process.pid, signal)
  }
  for (const signal of signals) process.on(signal, onSignal)
  return { signal: stop.signal, forget }
}
