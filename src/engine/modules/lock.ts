import type { Position } from '../errors.ts'
import { YoeError, YoeErrors } from '../errors.ts'
import type { GitModule } from './reference.ts'
import { canonicalUrl } from './reference.ts'

/** What a ref of a module's repository means. */
export interface ModuleLock {
  readonly kind: 'module'
  /** Canonical. */
  readonly url: string
  readonly ref: string
  /** '' for the repository itself. */
  readonly path: string
  readonly commit: string
}

/** What a tag or branch of a unit's source means. */
export interface SourceLock {
  readonly kind: 'source'
  /** Canonical. */
  readonly url: string
  readonly refKind: 'tag' | 'branch'
  readonly ref: string
  readonly commit: string
}

/** One file of a feed's index; a feed that has several for an architecture has as many entries. */
export interface FeedLock {
  readonly kind: 'feed'
  readonly id: string
  /** As the format spells it: `amd64`. */
  readonly arch: string
  readonly suite: string
  /** Of the release that named it; RFC 3339 in UTC, to the second. */
  readonly date: string
  /** Below the suite's folder: `main/binary-amd64/Packages.xz`. */
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly sha256: string
}

/** What a tag of an image of a registry means: its manifest, or the index of its manifests for each platform. */
export interface ImageLock {
  readonly kind: 'image'
  /** With its registry: `docker.io/library/golang`. */
  readonly name: string
  readonly tag: string
  readonly sha256: string
}

export type LockEntry = ModuleLock | SourceLock | FeedLock | ImageLock

/** An entry, and its line in yoe.lock. */
export type Locked<E extends LockEntry = LockEntry> = E & { readonly line: number }

/** What `yoe.lock` says. */
export interface Lock {
  readonly modules: readonly Locked<ModuleLock>[]
  readonly sources: readonly Locked<SourceLock>[]
  readonly feeds: readonly Locked<FeedLock>[]
  readonly images: readonly Locked<ImageLock>[]
}

export const emptyLock: Lock = { modules: [], sources: [], feeds: [], images: [] }

export const lockFile = 'yoe.lock'

/** Raised when an older yoe could not read what is written. */
const lockVersion = 1

const address = /^[^\s\u0000-\u001f\u007f"']{1,2100}$/
const ref = /^[A-Za-z0-9_][A-Za-z0-9._/@+-]{0,199}$/
const path = /^(?!.*(?:^|\/)\.\.?(?:\/|$))[A-Za-z0-9_.][A-Za-z0-9._+~:/-]{0,499}$/
const word = /^[A-Za-z0-9][A-Za-z0-9._+~/-]{0,199}$/
const image = /^[a-z0-9][a-z0-9.:_/-]{2,399}$/
const tag = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const commit = /^[0-9a-f]{40}$/
const sha256 = /^[0-9a-f]{64}$/
const date = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/
const size = /^(0|[1-9]\d{0,14})$/

/** The fields of a line, in order. */
const fields = {
  module: { url: address, ref, path, commit },
  source: { url: address, tag: ref, branch: ref, commit },
  feed: { id: word, arch: word, suite: word, date, path, size, sha256 },
  image: { name: image, tag, sha256 },
} as const

type Kind = keyof typeof fields

/**
 * Reads yoe.lock: a line with the version, then one line for each entry, `kind field=value field=value …`.
 * @throws {YoeErrors} LOCK_INVALID at each line that is wrong
 */
export function parseLock(text: string): Lock {
  const errors: YoeError[] = []
  const at = (line: number): Position => ({ file: lockFile, line, column: 1 })
  const bad = (
    line: number,
    message: string,
    hint = 'yoe update writes it anew; git checkout yoe.lock brings the last one back',
  ): undefined => {
    errors.push(new YoeError('LOCK_INVALID', message, { at: at(line), hint }))
    return undefined
  }
  const entries: Locked[] = []
  const seen = new Map<string, number>()
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/)
  let version = false
  for (const [index, content] of lines.entries()) {
    const line = index + 1
    if (content === '' || content.startsWith('#')) continue
    if (/^(<{7}|={7}|>{7}|\|{7})/.test(content)) {
      bad(
        line,
        'two versions of yoe.lock were merged, and this conflict is left',
        'keep the lines of both sides, or take one side and run yoe update',
      )
      // What follows is told when this is mended.
      break
    }
    if (!version) {
      version = true
      const number = /^yoe\.lock (\d{1,9})$/.exec(content)?.[1]
      if (number === undefined) bad(line, `its first line must be "yoe.lock ${lockVersion}"`)
      else if (Number(number) !== lockVersion)
        bad(
          line,
          `it has version ${number}, and this yoe reads version ${lockVersion}`,
          'use the yoe that the project is built with, or run yoe update',
        )
      if (errors.length > 0) break
      continue
    }
    const entry = parseLine(content, (message) => bad(line, message))
    if (entry === undefined) continue
    const key = keyOf(entry)
    const first = seen.get(key)
    if (first === undefined) {
      seen.set(key, line)
      entries.push({ ...entry, line })
    } else bad(line, `it says a second time what line ${first} says`, `remove line ${first} or ${line}`)
  }
  if (errors.length > 0) throw new YoeErrors(errors)
  const ofKind = <K extends Kind>(kind: K) =>
    entries.filter((entry): entry is Locked<Extract<LockEntry, { kind: K }>> => entry.kind === kind)
  return { modules: ofKind('module'), sources: ofKind('source'), feeds: ofKind('feed'), images: ofKind('image') }
}

function parseLine(content: string, bad: (message: string) => undefined): LockEntry | undefined {
  const [kind = '', ...parts] = content.split(' ')
  if (kind !== 'module' && kind !== 'source' && kind !== 'feed' && kind !== 'image')
    return bad(`a line begins with module, source, feed or image, not ${JSON.stringify(kind.slice(0, 40))}`)
  const values = new Map<string, string>()
  const table: Readonly<Record<string, RegExp>> = fields[kind]
  for (const part of parts) {
    const [, name = '', value = ''] = /^([a-z0-9]+)=(.*)$/.exec(part) ?? []
    const pattern = Object.hasOwn(table, name) ? table[name] : undefined
    if (pattern === undefined) return bad(`a ${kind} has no field ${JSON.stringify(part.slice(0, 60))}`)
    if (values.has(name)) return bad(`${name} is given twice`)
    if (!pattern.test(value)) return bad(`${name} can't be ${JSON.stringify(value.slice(0, 60))}${expects(pattern)}`)
    values.set(name, value)
  }
  const value = (name: string): string => values.get(name) ?? ''
  const missing = Object.keys(table).filter((name) => !values.has(name) && !['path', 'tag', 'branch'].includes(name))
  if (missing.length > 0) return bad(`${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`)
  switch (kind) {
    case 'module':
      return { kind, url: value('url'), ref: value('ref'), path: value('path'), commit: value('commit') }
    case 'source': {
      const refKind = values.has('tag') ? 'tag' : 'branch'
      if (values.has('tag') === values.has('branch')) return bad('a source has either a tag or a branch')
      return { kind, url: value('url'), refKind, ref: value(refKind), commit: value('commit') }
    }
    case 'feed':
      if (!values.has('path')) return bad('path is missing')
      return {
        kind,
        id: value('id'),
        arch: value('arch'),
        suite: value('suite'),
        date: value('date'),
        path: value('path'),
        size: Number(value('size')),
        sha256: value('sha256'),
      }
    case 'image':
      if (!values.has('tag')) return bad('tag is missing')
      return { kind, name: value('name'), tag: value('tag'), sha256: value('sha256') }
    default:
      return kind satisfies never
  }
}

function expects(pattern: RegExp): string {
  if (pattern === commit) return ': a commit has 40 hexadecimal digits'
  return pattern === sha256 ? ': a SHA-256 has 64 hexadecimal digits' : ''
}

/** What an entry is about, as opposed to what it says: each key stands in a lock once. */
export function keyOf(entry: LockEntry): string {
  switch (entry.kind) {
    case 'module':
      return `1 module ${entry.url} ${entry.path} ${entry.ref}`
    case 'source':
      return `2 source ${entry.url} ${entry.refKind} ${entry.ref}`
    case 'feed':
      return `3 feed ${entry.id} ${entry.arch} ${entry.path}`
    case 'image':
      return `4 image ${entry.name} ${entry.tag}`
    default:
      return entry satisfies never
  }
}

/** The text of a lock: the same for the same entries, in whatever order they come. */
export function formatLock(entries: readonly LockEntry[]): string {
  const sorted = new Map(entries.map((entry) => [keyOf(entry), entry]))
  const lines = [...sorted].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => formatEntry(entry))
  const head = '# What refs and feeds meant when they were last updated. Commit it; "yoe update" moves it.'
  return `${[head, `yoe.lock ${lockVersion}`, ...lines].join('\n')}\n`
}

function formatEntry(entry: LockEntry): string {
  switch (entry.kind) {
    case 'module': {
      const folder = entry.path === '' ? '' : ` path=${entry.path}`
      return `module url=${entry.url} ref=${entry.ref}${folder} commit=${entry.commit}`
    }
    case 'source':
      return `source url=${entry.url} ${entry.refKind}=${entry.ref} commit=${entry.commit}`
    case 'feed':
      return `feed id=${entry.id} arch=${entry.arch} suite=${entry.suite} date=${entry.date} path=${entry.path} size=${entry.size} sha256=${entry.sha256}`
    case 'image':
      return `image name=${entry.name} tag=${entry.tag} sha256=${entry.sha256}`
    default:
      return entry satisfies never
  }
}

/** The entry of a module at a commit. */
export function moduleEntry({ url, ref, path }: GitModule, commit: string): ModuleLock {
  return { kind: 'module', url: canonicalUrl(url), ref, path, commit }
}

/** The entry of a unit's source at a commit. */
export function sourceEntry({ url, ref, refKind }: Omit<SourceLock, 'kind' | 'commit'>, commit: string): SourceLock {
  return { kind: 'source', url: canonicalUrl(url), refKind, ref, commit }
}

/** The entry of a tag of an image. */
export function imageEntry({ name, tag }: Pick<ImageLock, 'name' | 'tag'>, sha256: string): ImageLock {
  return { kind: 'image', name, tag, sha256 }
}

/** All entries of a lock, without their lines. */
export function entriesOf(lock: Lock): readonly LockEntry[] {
  return [...lock.modules, ...lock.sources, ...lock.feeds, ...lock.images].map(({ line: _, ...entry }) => entry)
}
