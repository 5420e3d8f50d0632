import { spawn } from 'node:child_process'
import { YoeError } from '../errors.ts'
import { errorCode } from '../store/disk.ts'
import { shownUrl } from './url.ts'

/** git ended with an error; the message is what it said. */
export class GitFailure extends Error {}

export interface GitRun {
  /** Absolute folder of a repository; undefined for commands that need none. */
  readonly repository?: string
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>
  /** For its standard input, which is empty otherwise. */
  readonly input?: string
  readonly signal?: AbortSignal | undefined
}

/** No hooks, no helpers, no questions; the user's own git configuration and credentials otherwise. */
const settings = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.symlinks', 'true'],
  ['core.quotePath', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['fetch.fsckObjects', 'true'],
  ['tar.umask', '0022'],
  ['http.lowSpeedLimit', '1024'],
  ['http.lowSpeedTime', '60'],
  ['http.followRedirects', 'initial'],
  ['protocol.allow', 'never'],
  ...['https', 'http', 'ssh', 'git', 'file'].map((name) => [`protocol.${name}.allow`, 'always']),
].flatMap(([name, value]) => ['-c', `${name}=${value}`])

/** How a user's git reaches servers; every other GIT_ variable could lead it to another repository or past our settings. */
const kept =
  /^GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|SSL_\w+|HTTP_\w+|PROXY_COMMAND|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+))$/

function environment(extra: Readonly<Record<string, string>> | undefined): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_') || kept.test(name))
  return {
    GIT_SSH_COMMAND: 'ssh -o BatchMode=yes -o ConnectTimeout=30',
    ...Object.fromEntries(inherited),
    GIT_TERMINAL_PROMPT: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    LC_ALL: 'C',
    ...extra,
  }
}

/**
 * What git prints, as it comes.
 * @throws {GitFailure} when it ends with an error
 * @throws {YoeError} CANCELLED; TOOL_MISSING without git
 */
export async function* gitStream(args: readonly string[], run: GitRun): AsyncGenerator<Uint8Array> {
  const { repository, env, input, signal } = run
  const where = repository === undefined ? [] : [`--git-dir=${repository}`]
  const child = spawn('git', [...settings, ...where, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: environment(env),
    ...(signal === undefined ? {} : { signal }),
  })
  // It may end without having read all.
  child.stdin.on('error', () => {})
  child.stdin.end(input ?? '')
  let said = ''
  child.stderr.on('data', (chunk) => {
    if (said.length < 10_000) said += chunk
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  ended.catch(() => {})
  try {
    for await (const chunk of child.stdout) yield chunk
    const code = await ended
    if (code !== 0) throw new GitFailure(said === '' ? `git ended with ${code}` : said)
  } catch (failure) {
    if (signal?.aborted === true) throw new YoeError('CANCELLED', 'fetching a repository was cancelled')
    if (errorCode(failure) !== 'ENOENT') throw failure
    throw new YoeError('TOOL_MISSING', 'git is not installed', { hint: 'sudo apt-get install git' })
  } finally {
    if (child.exitCode === null) child.kill()
  }
}

/** All that git prints. @throws what {@link gitStream} does */
export async function git(args: readonly string[], run: GitRun): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of gitStream(args, run)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** The line in which git says what is wrong, without credentials. @throws anything that is no {@link GitFailure} */
export function reasonOf(failure: unknown, address: string): string {
  if (!(failure instanceof GitFailure)) throw failure
  const lines = failure.message
    .trim()
    .split('\n')
    .filter((line) => line !== '')
  const told =
    lines.find((line) => line.startsWith('fatal:') || line.startsWith('error:')) ?? lines.at(-1) ?? 'git failed'
  return told.replaceAll(address, shownUrl(address)).replace(/:\/\/[^/@\s]*@/g, '://***@')
}

/** Whether an address is of this scheme, however it is written. */
export function isUrlOf(url: string, scheme: string): boolean {
  return url.toLowerCase().startsWith(`${scheme}:`)
}

/** Only addresses that git can't take for an option, a local program or a helper of its own. @throws {YoeError} BAD_FIELD */
export function requireAddress(url: string): void {
  const isUrl = /^(https?|ssh|git|file):\/\/[^-\s]\S*$/i.test(url)
  const isScp = /^[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:[^-\s]\S*$/.test(url)
  if (!isUrl && !isScp) {
    throw new YoeError('BAD_FIELD', `"${shownUrl(url)}" is no address that git may be sent to`, {
      hint: 'https, ssh, git and file addresses are',
    })
  }
}
