import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { YoeError } from '#engine/errors.ts'
import { errorCode } from '#engine/store/disk.ts'

/** What a command file may get back from a program; more is for a file. */
const mostOutput = 16 * 2 ** 20

export interface ShellOptions {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** A failing program is an error. */
  readonly check: boolean
  /** Told what the program prints, as it comes. */
  readonly onOutput: (chunk: Buffer) => void
  readonly signal: AbortSignal
}

/**
 * Runs a program with this terminal's input, and its errors going there. One word is a line for `sh`; of several, the
 * first is the program and nothing reads the others as a line. Resolves when the program has ended, also when that is
 * because of the signal.
 *
 * @returns what it printed to its standard output, as UTF-8
 * @throws {YoeError} TASK_FAILED, TOOL_MISSING, CANCELLED
 */
export async function shell(words: readonly string[], options: ShellOptions): Promise<string> {
  const { cwd, env, signal } = options
  const shown = words.length === 1 ? (words[0] ?? '') : words.map(quoted).join(' ')
  if (signal.aborted) throw cancelled(signal, shown)
  const [program = '', ...args] = words.length === 1 ? ['sh', '-c', words[0] ?? ''] : words
  const child = spawn(program, args, { cwd, env, stdio: ['inherit', 'pipe', 'inherit'] })
  const chunks: Buffer[] = []
  let size = 0
  child.stdout.on('data', (chunk: Buffer) => {
    options.onOutput(chunk)
    size += chunk.length
    if (size <= mostOutput) chunks.push(chunk)
  })
  const stop = (): void => {
    endTree(child.pid, 'SIGTERM')
    setTimeout(() => endTree(child.pid, 'SIGKILL'), 2000).unref()
    // What has left the tree may keep the pipe open for as long as it likes.
    child.once('exit', () => child.stdout.destroy())
  }
  signal.addEventListener('abort', stop, { once: true })
  const ended = await new Promise<number | string | Error>((resolve) => {
    child.once('error', resolve)
    child.once('close', (code, killed) => resolve(killed ?? code ?? 0))
  }).finally(() => signal.removeEventListener('abort', stop))
  if (signal.aborted) throw cancelled(signal, shown)
  if (ended instanceof Error) throw startFailure(ended, program, shown)
  if (ended !== 0 && options.check) {
    throw new YoeError('TASK_FAILED', `${typeof ended === 'number' ? `exit ${ended}` : ended} of: ${shown}`)
  }
  if (size > mostOutput) {
    throw new YoeError('TASK_FAILED', `more than ${mostOutput} bytes were printed by: ${shown}`, {
      hint: 'send them to a file: ctx.shell("… > file")',
    })
  }
  return Buffer.concat(chunks).toString('utf8')
}

function startFailure(failure: Error, program: string, shown: string): YoeError {
  if (errorCode(failure) === 'ENOENT') {
    return new YoeError('TOOL_MISSING', `there is no program "${program}" here, for: ${shown}`, {
      hint: 'install it, or name it by its path; a line of shell is one text, not several',
    })
  }
  return new YoeError('TASK_FAILED', `${errorCode(failure) || failure.message} when starting: ${shown}`)
}

function cancelled(signal: AbortSignal, shown: string): YoeError {
  return signal.reason instanceof YoeError ? signal.reason : new YoeError('CANCELLED', `stopped: ${shown}`)
}

/** As people would type it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** Signals a process and those that it started, as far as they are still its. A terminal's ctrl-c reaches them anyway. */
function endTree(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  const children = childrenOf(pid)
  try {
    process.kill(pid, signal)
  } catch {
    // It is gone already.
  }
  for (const child of children) endTree(child, signal)
}

function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text.split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}
