import { YoeError } from '#engine/errors.ts'
import { type ApkHead, identityOf } from './apk-read.ts'
import { compareVersions } from './version.ts'

/** An index's file, in the folder of its architecture. */
export const indexName = 'APKINDEX.tar.gz'

/** One package as an index has it. */
export interface IndexEntry {
  readonly name: string
  readonly version: string
  /** Of the package: `x86_64`, `noarch`. Clients look for its file in the folder of this name. */
  readonly arch: string
  /** `Q1…`: stands for all of the package but its signature. */
  readonly identity: string
  /** Bytes of the file. */
  readonly size: number
  /** The paragraph in APKINDEX, each line ended by LF. */
  readonly text: string
}

/** A package in the words of an index, as `apk index` writes it. @param size bytes of the file that is published */
export function indexEntry({ info, control }: Pick<ApkHead, 'info' | 'control'>, size: number): IndexEntry {
  const identity = identityOf(control)
  const { name, version, arch } = info
  const lines: string[] = []
  const put = (key: string, value: string | number | undefined): void => {
    const text = String(value ?? '')
    if (text !== '') lines.push(`${key}:${text}\n`)
  }
  lines.push(`C:${identity}\nP:${name}\nV:${version}\n`)
  put('A', arch)
  // Whatever they are: readers expect them.
  lines.push(`S:${size}\nI:${info.size}\nT:${info.description}\nU:${info.url}\nL:${info.license}\n`)
  put('o', info.origin)
  put('m', info.maintainer)
  put('t', info.builddate === 0 ? '' : info.builddate)
  put('c', info.commit)
  put('k', info.providerPriority)
  put('D', info.depends.join(' '))
  put('p', info.provides.join(' '))
  put('i', info.installIf.join(' '))
  return { name, version, arch, identity, size, text: lines.join('') }
}

/** The name of a package's file, relative to the repository: `x86_64/app-1.0-r0.apk`. */
export function fileOf({ name, version, arch }: Pick<IndexEntry, 'name' | 'version' | 'arch'>): string {
  return `${arch}/${name}-${version}.apk`
}

/** The text of an index: by name, newest versions last. */
export function renderIndex(entries: readonly IndexEntry[]): string {
  return entries
    .toSorted(inOrder)
    .map(({ text }) => `${text}\n`)
    .join('')
}

function inOrder(one: IndexEntry, other: IndexEntry): number {
  if (one.name !== other.name) return one.name < other.name ? -1 : 1
  return compareVersions(one.version, other.version) || (one.arch < other.arch ? -1 : 1)
}

const plain = /^[A-Za-z0-9][A-Za-z0-9+._~-]{0,199}$/

/**
 * The entries of an index of ours, whose signature held. What would reach a path is looked at all the same.
 *
 * @throws {YoeError} FEED_INVALID
 */
export function parseIndex(text: string, place: string): readonly IndexEntry[] {
  const entries: IndexEntry[] = []
  for (const paragraph of text.split('\n\n')) {
    if (paragraph === '') continue
    const field = (key: string): string => {
      const found = paragraph.startsWith(`${key}:`) ? 0 : paragraph.indexOf(`\n${key}:`) + 1
      if (found === 0 && !paragraph.startsWith(`${key}:`)) return ''
      const end = paragraph.indexOf('\n', found)
      return paragraph.slice(found + 2, end < 0 ? undefined : end)
    }
    const [name, version, arch, identity] = [field('P'), field('V'), field('A'), field('C')]
    const isPlain = [name, version, arch].every((word) => plain.test(word) && !word.includes('..'))
    const size = Number(field('S'))
    if (!isPlain || !identity.startsWith('Q1') || !Number.isSafeInteger(size)) {
      throw new YoeError(
        'FEED_INVALID',
        `${place}: the index has an entry that is none: ${JSON.stringify(paragraph.slice(0, 80))}`,
        {
          hint: 'remove the repository folder; the next build publishes it again',
        },
      )
    }
    entries.push({ name, version, arch, identity, size, text: paragraph.endsWith('\n') ? paragraph : `${paragraph}\n` })
  }
  return entries
}

/** One entry for each version, the newest `keep` of them for each name. */
export function mergeEntries(
  old: readonly IndexEntry[],
  added: readonly IndexEntry[],
  keep = 3,
): readonly IndexEntry[] {
  const byName = new Map<string, Map<string, IndexEntry>>()
  for (const entry of [...old, ...added]) {
    const versions = byName.get(entry.name) ?? new Map<string, IndexEntry>()
    byName.set(entry.name, versions.set(entry.version, entry))
  }
  return [...byName.values()].flatMap((versions) =>
    versions.size === 1
      ? [...versions.values()]
      : [...versions.values()].sort((a, b) => compareVersions(b.version, a.version)).slice(0, Math.max(1, keep)),
  )
}
