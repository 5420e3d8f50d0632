import { readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { YoeError } from '../../errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** What a web server is shown of who asks. */
export interface WebLogin {
  /** Undefined: nothing. */
  readonly authorization: string | undefined
  /** What people do when the server refuses it. */
  readonly hint: string
}

const variable = 'YOE_HTTP_CACHE_AUTH'

/**
 * Who asks at a web server. Each credential is for one host: whoever writes into a project where its cache is, or leads
 * requests elsewhere, gets none that was meant for another. Over plain http there is none, but to this very machine.
 *
 * For the same reason `default` of a netrc counts for nothing. YOE_HTTP_CACHE_AUTH is `HOST=TOKEN` or `HOST=USER:PASSWORD` (several with white space between them); the file of NETRC, or
 * `~/.netrc`, is what curl and git read.
 *
 * @throws {YoeError} FETCH_FAILED when there is one that can't be used
 */
export async function webLogin(url: URL, env: Environment): Promise<WebLogin> {
  const { host } = url
  const file = env['NETRC'] || join(env['HOME'] ?? homedir(), '.netrc')
  const found = fromVariable(env[variable] ?? '', host) ?? (await fromFile(file, url.hostname))
  if (found === undefined) {
    const hint = `name who asks: machine ${url.hostname} login … password … in ~/.netrc, or ${variable}=${host}=TOKEN`
    return { authorization: undefined, hint }
  }
  if (url.protocol === 'https:' || isThisMachine(url.hostname))
    return { authorization: found, hint: `${host} does not take what ~/.netrc or ${variable} says for it` }
  return { authorization: undefined, hint: `credentials are not sent over http: make it https://${host}/` }
}

function fromVariable(text: string, host: string): string | undefined {
  const entries = text.split(/\s+/).filter((entry) => entry !== '')
  for (const [index, entry] of entries.entries()) {
    const [, at = '', secret = ''] = /^([^=]+)=([\x21-\x7e]+)$/.exec(entry) ?? []
    if (secret === '')
      // Not the entry itself: it holds a secret.
      throw new YoeError('FETCH_FAILED', `${variable}: entry ${index + 1} is not HOST=TOKEN or HOST=USER:PASSWORD`)
    if (at.toLowerCase() === host) return secret.includes(':') ? basic(secret) : `Bearer ${secret}`
  }
  return undefined
}

async function fromFile(path: string, host: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const found = loginIn(text, host)
  if (found === undefined) return undefined
  if (((await stat(path)).mode & 0o077) !== 0)
    throw new YoeError('FETCH_FAILED', `${path} is not used: other users of this machine may read it`, {
      hint: `chmod 600 ${path}`,
    })
  return basic(found)
}

/**
 * `user:password` for a host; undefined: the file has none.
 * @see netrc(5)
 */
export function loginIn(text: string, host: string): string | undefined {
  // A macro ends with an empty line; a comment is a whole line.
  const blocks = text.split(/\n[ \t]*\n/).map((block) => block.replace(/(^|\n)[ \t]*macdef\b.*$/s, ''))
  const plain = blocks.join('\n').replace(/^[ \t]*#.*$/gm, '')
  const words = [...plain.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, word]) => quoted?.replace(/\\(.)/g, '$1') ?? word ?? '',
  )
  let login: { user: string; password?: string } | undefined
  for (let at = 0; at < words.length; at++) {
    const word = words[at]
    if (word === 'default') return answer(login)
    if (word === 'machine') {
      if (login?.password !== undefined) return answer(login)
      login = words[++at]?.toLowerCase() === host ? { user: '' } : undefined
    } else if (word === 'login' || word === 'password' || word === 'account') {
      const value = words[++at] ?? ''
      if (login !== undefined && word === 'login') login.user = value
      if (login !== undefined && word === 'password') login.password = value
    }
  }
  return answer(login)
}

function answer(login: { readonly user: string; readonly password?: string } | undefined): string | undefined {
  return login?.password === undefined ? undefined : `${login.user}:${login.password}`
}

const basic = (login: string): string => `Basic ${Buffer.from(login).toString('base64')}`

function isThisMachine(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}
