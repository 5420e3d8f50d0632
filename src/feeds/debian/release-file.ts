import { createHash } from 'node:crypto'

export interface ReleaseFacts {
  readonly project: string
  readonly suite: string
  /** Seconds since 1970. */
  readonly date: number
  /** Days after which readers refuse it. */
  readonly validDays: number
  /** Whether each index file is also there under its digest, so that no reader sees half of a publish. */
  readonly byHash: boolean
  readonly architectures: readonly string[]
  /** By path relative to the Release file. */
  readonly files: ReadonlyMap<string, FileDigest>
}

export interface FileDigest {
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

export const digestOf = (content: string | Uint8Array): FileDigest => ({
  sha256: createHash('sha256').update(content).digest('hex'),
  size: Buffer.byteLength(content),
})

/**
 * The text of a Release file. SHA-256 is its only hash: readers take the strongest they know, and all know this one.
 *
 * @see https://wiki.debian.org/DebianRepository/Format
 */
export function renderRelease(facts: ReleaseFacts): string {
  const lines = [
    `Origin: ${facts.project}`,
    `Label: ${facts.project}`,
    `Suite: ${facts.suite}`,
    `Codename: ${facts.suite}`,
    `Date: ${stamp(facts.date)}`,
    `Valid-Until: ${stamp(facts.date + facts.validDays * 86_400)}`,
    `Acquire-By-Hash: ${facts.byHash ? 'yes' : 'no'}`,
    `Architectures: ${facts.architectures.toSorted().join(' ')}`,
    'Components: main',
    `Description: packages of ${facts.project}`,
    'SHA256:',
    ...[...facts.files]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, { sha256, size }]) => ` ${sha256} ${size} ${path}`),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

/** What a later publish needs of a Release file of our own making. */
export function parseRelease(text: string): Pick<ReleaseFacts, 'date' | 'architectures' | 'files'> {
  const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1] ?? ''
  const files = new Map<string, FileDigest>()
  for (const [, sha256 = '', size = '', path = ''] of text.matchAll(/^ ([0-9a-f]{64}) +(\d+) (\S+)$/gm)) {
    files.set(path, { sha256, size: Number(size) })
  }
  const date = Math.floor(Date.parse(field('Date')) / 1000)
  return {
    date: Number.isNaN(date) ? 0 : date,
    architectures: field('Architectures').split(' ').filter(Boolean),
    files,
  }
}

/** As apt parses it: RFC 7231's form, in UTC. */
const stamp = (seconds: number): string => new Date(seconds * 1000).toUTCString().replace('GMT', 'UTC')
