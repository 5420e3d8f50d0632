import { YoeError } from '../errors.ts'

/** Addresses that start with `from` are asked for at `to` first. */
export interface MirrorRule {
  /** With a scheme. */
  readonly from: string
  readonly to: string
}

export interface Mirrors {
  /** In the order in which they were declared. */
  readonly rules: readonly MirrorRule[]
  /** A rewritten address is followed neither by {@link near} nor by its original: for machines that must not reach the outside. */
  readonly only: boolean
  /** What this machine is set up with and nobody named here: tried after the rules. */
  readonly near?: readonly MirrorRule[]
}

export const noMirrors: Mirrors = { rules: [], only: false }

const scheme = /^[a-z][a-z0-9+.-]*:\/\/./i
/** How git also writes ssh: `git@host:path`. */
const scp = /^([^/:@\s]+@[^/:@\s]+):\/*(.*)$/

/**
 * Mirrors from `YOE_MIRRORS`, and from `mirrors = {...}` of `local.star` and of the project: where several say the same
 * prefix, the first counts most.
 *
 * @param text `from=to` prefixes with commas between them; the word `only` among them sets {@link Mirrors.only}.
 *   Undefined or '' adds none.
 * @throws {YoeError} USAGE when an entry is not two addresses
 */
export function parseMirrors(
  text: string | undefined,
  ...declared: readonly (Readonly<Record<string, string>> | undefined)[]
): Mirrors {
  const rules: MirrorRule[] = []
  let only = false
  for (const entry of (text ?? '').split(',').map((part) => part.trim())) {
    if (entry === '') continue
    if (entry === 'only') {
      only = true
      continue
    }
    // An address may hold `=` itself: the one that an address follows divides.
    const split = /^(.+?)=([a-z][a-z0-9+.-]*:\/\/.+)$/i.exec(entry)
    rules.push(rule(split?.[1] ?? '', split?.[2] ?? '', `YOE_MIRRORS has "${entry}"`))
  }
  for (const [from, to] of declared.flatMap((each) => Object.entries(each ?? {}))) {
    rules.push(rule(from, to, `mirrors has "${from}"`))
  }
  return { rules, only }
}

function rule(from: string, to: string, where: string): MirrorRule {
  if ((scheme.test(from) || scp.test(from)) && scheme.test(to)) return { from: withScheme(from), to }
  throw new YoeError('USAGE', `${where}, which does not say which address is found where`, {
    hint: 'write two address prefixes: YOE_MIRRORS=https://example.org/pool/=http://mirror.lan/pool/',
  })
}

/**
 * Where `urls` (alternates for the same bytes) are looked for, best first and each once: what the rules make of them,
 * the longest prefix first, then what is near, then the addresses themselves. A prefix ends where a part of the path does, so that
 * `http://a/debian` does not catch `http://a/debian-security`.
 */
export function candidates(urls: readonly string[], mirrors: Mirrors): readonly string[] {
  const { rules, near = [], only } = mirrors
  const rewritten = urls.map((url) => rewrite(url, rules))
  const others = urls.flatMap((url, index) =>
    only && rewritten[index]?.length !== 0 ? [] : [{ url, near: rewrite(url, near) }],
  )
  return [...new Set([...rewritten.flat(), ...others.flatMap((one) => one.near), ...others.map(({ url }) => url)])]
}

/** `git@host:path` and `ssh://git@host/path` are one address to rules. */
function withScheme(address: string): string {
  return address.replace(scp, 'ssh://$1/$2')
}

function rewrite(address: string, rules: readonly MirrorRule[]): readonly string[] {
  const url = withScheme(address)
  return rules
    .filter(({ from }) => covers(from, url))
    .toSorted((a, b) => b.from.length - a.from.length)
    .map(({ from, to }) => join(to, url.slice(from.length), from.endsWith('/')))
}

function covers(prefix: string, url: string): boolean {
  if (!url.startsWith(prefix)) return false
  const next = url.charAt(prefix.length)
  return prefix.endsWith('/') || next === '' || next === '/' || next === '?'
}

/** A slash at the end of only one of the two prefixes neither vanishes nor doubles. */
function join(to: string, rest: string, fromHadSlash: boolean): string {
  if (fromHadSlash) return to.endsWith('/') ? to + rest : `${to}/${rest}`
  return to.endsWith('/') && rest.startsWith('/') ? to + rest.slice(1) : to + rest
}
