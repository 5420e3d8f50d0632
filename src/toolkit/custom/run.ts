import { resolve } from 'node:path'
import type { BuiltinCall, StarlarkInput, StarlarkValue } from 'starlark-wasm'
import { StarlarkError, StarlarkStruct } from 'starlark-wasm'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import { toYoeErrors } from '#engine/project/star-errors.ts'
import { describe } from '#engine/starlark/value.ts'
import { distroChoice, ifAny, imageChoice } from '../choices.ts'
import type { Loaded } from '../workspace.ts'
import { fieldName } from './declaration.ts'
import type { OpenCommand } from './evaluate.ts'
import { shell } from './shell.ts'

export type ArgumentValue = string | number | boolean | null

export interface CommandRun {
  readonly loaded: Loaded
  readonly values: ReadonlyMap<string, ArgumentValue>
  /** Told what programs print to their standard output, as it comes. */
  readonly onOutput: (chunk: Buffer) => void
  /** Told a line of `ctx.log`. */
  readonly onLog: (line: string) => void
}

/**
 * Runs a command: calls `run(ctx)` of its file.
 * @throws {YoeErrors} TASK_FAILED (a program, or `fail()`), STAR_EVAL with its line, CANCELLED
 */
export async function runCommand(command: OpenCommand, run: CommandRun): Promise<void> {
  const { signal } = run.loaded.workspace
  const running = new Set<Promise<unknown>>()
  try {
    await command.run.call([contextOf(run, running)], {}, { signal })
  } catch (failure) {
    // Whoever is told that it was stopped finds nothing of it running.
    await Promise.allSettled(running)
    if (!(failure instanceof StarlarkError)) throw failure
    throw new YoeErrors(toYoeErrors(failure, []).map(withoutBlame))
  }
}

/** `fail()` in a command says that the work failed, not that the project is wrong. */
function withoutBlame(error: YoeError): YoeError {
  const said = error.cause instanceof StarlarkError && error.cause.message.startsWith('fail: ')
  return error.code === 'STAR_EVAL' && said
    ? new YoeError('TASK_FAILED', error.message, { at: error.at, cause: error })
    : error
}

function contextOf({ loaded, values, onOutput, onLog }: CommandRun, running: Set<Promise<unknown>>) {
  const { project, machine, workspace } = loaded
  const { root, entry, env, signal, local, buildRoot } = workspace
  const image = ifAny(() => imageChoice(project, local)?.value)
  const runShell = ({ args, kwargs }: BuiltinCall): Promise<string> => {
    const options = { cwd: root, env: { ...env, YOE_PROJECT: resolve(root, entry) }, onOutput, signal }
    const work = shell(wordsOf(args), { ...options, check: checkOf(kwargs) })
    running.add(work)
    return work.finally(() => running.delete(work))
  }
  const log = ({ args, kwargs }: BuiltinCall): undefined => {
    if (kwargs.size > 0) throw misuse('ctx.log takes no keyword arguments')
    for (const line of args.map(str).join(' ').split('\n')) onLog(line)
  }
  const args = new Map([...values].map(([name, value]): [string, StarlarkInput] => [fieldName({ name }), value]))
  return new StarlarkStruct<StarlarkInput>(
    new Map<string, StarlarkInput>([
      ['args', new StarlarkStruct<StarlarkInput>(args, 'args')],
      ['shell', runShell],
      ['log', log],
      ['project_root', root],
      ['build_root', buildRoot],
      ['project', project.name],
      ['project_version', project.version],
      ['machine', machine?.name ?? null],
      ['arch', machine?.arch ?? null],
      ['image', image ?? null],
      [
        'distro',
        ifAny(() => distroChoice(project, local, undefined, image === undefined ? [] : [image]).value) ?? null,
      ],
    ]),
    'ctx',
  )
}

/** Words of a command line; numbers are written out. */
function wordsOf(args: readonly StarlarkValue[]): readonly string[] {
  if (args.length === 0) throw misuse('ctx.shell needs a program, or a line for sh')
  return args.map((value) => {
    if (typeof value === 'number' || typeof value === 'bigint') return String(value)
    if (typeof value !== 'string') throw misuse(`ctx.shell takes texts and numbers, not ${describe(value)}`)
    if (value.includes('\0')) throw misuse('ctx.shell: no argument of a program can hold a NUL')
    return value
  })
}

function checkOf(kwargs: BuiltinCall['kwargs']): boolean {
  for (const [name, value] of kwargs) {
    if (name !== 'check') throw misuse(`ctx.shell has no argument "${name}"; it has: check`)
    if (typeof value !== 'boolean') throw misuse('ctx.shell: check must be True or False')
  }
  return kwargs.get('check') !== false
}

function misuse(message: string): YoeError {
  return new YoeError('BAD_FIELD', message)
}

/** As Starlark's `str` does, for what people log. */
function str(value: StarlarkValue): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return `[${value.map(repr).join(', ')}]`
  if (value instanceof Map) return `{${[...value].map(([key, item]) => `${repr(key)}: ${repr(item)}`).join(', ')}}`
  return describe(value)
}

const repr = (value: StarlarkValue): string => (typeof value === 'string' ? JSON.stringify(value) : str(value))
