import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type Environment,
  type EvaluateOptions,
  type SessionOptions,
  StarlarkError,
  type StarlarkErrorKind,
  type StarlarkInput,
  type StarlarkModule,
  StarlarkSession,
  type StarlarkValue,
  standard,
} from '../src/index.ts'

export const packageDirectory: string = fileURLToPath(new URL('..', import.meta.url))

/** Files of a small project, by id; `load` names ids. */
export type Files = Readonly<Record<string, string>>

export function fileLoader(files: Files): Pick<EvaluateOptions, 'resolve' | 'read'> {
  const sources = new Map(Object.entries(files))
  return {
    resolve: (module) => module,
    read(id) {
      const source = sources.get(id)
      if (source === undefined) throw new Error('no such file')
      return source
    },
  }
}

/** Evaluates main.star of a project in a session of its own. */
export async function evaluate(
  files: Files | string,
  predeclared: Readonly<Record<string, StarlarkInput>> = {},
  options: SessionOptions & Pick<EvaluateOptions, 'signal' | 'keepGoing'> = {},
): Promise<StarlarkModule> {
  const session = await StarlarkSession.open(options)
  const environment = session.environment({ predeclared: { ...standard, ...predeclared } })
  const project = typeof files === 'string' ? { 'main.star': files } : files
  const { signal, keepGoing = false } = options
  const modules = await session.evaluate(['main.star'], { environment, ...fileLoader(project), signal, keepGoing })
  return existing(modules.get('main.star'))
}

/** Compiles and executes one file in an environment. */
export async function execute(
  session: StarlarkSession,
  environment: Environment,
  source: string,
): Promise<StarlarkModule> {
  return session.execute(await session.compile('main.star', source, environment))
}

/** The value of `result` after the file ran. */
export async function resultOf(
  source: string,
  predeclared: Readonly<Record<string, StarlarkInput>> = {},
): Promise<StarlarkValue | undefined> {
  return (await evaluate(source, predeclared)).get('result')
}

/** The StarlarkError that the work ends with. */
export async function failureOf(work: Promise<unknown>, kind?: StarlarkErrorKind): Promise<StarlarkError> {
  const thrown = await work.then(
    () => assert.fail('it succeeded'),
    (error: unknown) => error,
  )
  if (!(thrown instanceof StarlarkError)) throw thrown
  if (kind !== undefined) assert.equal(thrown.kind, kind, thrown.backtrace)
  return thrown
}

/** `kind file:line:column message`, for tables of errors. */
export function summary({ kind, position, message }: StarlarkError): string {
  const at = position === undefined ? '' : `${position.file}:${position.line}:${position.column} `
  return `${kind} ${at}${message}`
}

export function existing<T>(value: T | undefined): T {
  assert.notEqual(value, undefined)
  if (value === undefined) throw new TypeError('undefined')
  return value
}

/** Says why what needs the pinned Go can't run here; undefined when it can. */
export function whyNoGo(): string | undefined {
  const pinned = /^toolchain (go\S+)$/m.exec(readFileSync(`${packageDirectory}go/go.mod`, 'utf8'))?.[1]
  const { status, stdout } = spawnSync('go', ['env', 'GOVERSION'], {
    encoding: 'utf8',
    cwd: '/',
    env: { ...process.env, GOTOOLCHAIN: 'local' },
  })
  if (status !== 0) return 'Go is not installed'
  if (stdout.trim() !== pinned) return `the interpreter is pinned to ${pinned}, here is ${stdout.trim()}`
  const download = spawnSync('go', ['mod', 'download'], {
    encoding: 'utf8',
    cwd: `${packageDirectory}go`,
    env: { ...process.env, GOTOOLCHAIN: 'local' },
  })
  return download.status === 0 ? undefined : `the Go modules can't be fetched: ${download.stderr.trim()}`
}

/** Builds the interpreter with scripts/build.sh. */
export function buildInterpreter(output: string, ...flags: string[]): void {
  const { status, stderr } = spawnSync('sh', [`${packageDirectory}scripts/build.sh`, output, ...flags], {
    encoding: 'utf8',
    env: { ...process.env, GOTOOLCHAIN: 'local' },
  })
  assert.equal(status, 0, stderr)
}
