import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Event, silent } from '#engine/events.ts'
import type { FeedEnvironment } from '#engine/formats.ts'
import type { FeedDeclaration, Json } from '#engine/project/model.ts'
import { createFetcher } from '#engine/source/download.ts'
import { indexArchive } from '#feeds/alpine/index-archive.ts'
import { freshRsaKey, publicPem, type RsaKey } from '#feeds/keys/rsa.ts'

let made: Promise<RsaKey> | undefined

/** A key that signs what tests make; the same for all tests of a file, since making one takes its time. */
export function testSigner(): Promise<RsaKey> {
  made ??= freshRsaKey('test.rsa.pub', new Date(0))
  return made
}

/** A paragraph of an index: its lines by their letters. What every package must have is made up. */
export function paragraph(lines: Readonly<Record<string, string>> & { readonly P: string }): string {
  const checksum = `Q1${createHash('sha1').update(JSON.stringify(lines)).digest('base64')}`
  const all = { C: checksum, V: '1.0-r0', A: 'x86_64', S: '1000', I: '1000', T: 'test', t: '1700000000', ...lines }
  return Object.entries(all)
    .map(([letter, value]) => `${letter}:${value}\n`)
    .join('')
}

export const indexText = (paragraphs: readonly string[]): string => paragraphs.map((one) => `${one}\n`).join('')

/** A mirror in a folder, the module that declares a feed of it, and a cache. */
export interface FeedScene {
  readonly root: string
  readonly mirror: string
  readonly module: string
  /** Writes `SECTION/x86_64/APKINDEX.tar.gz` of v3.19. */
  put(archive: Buffer, section?: string): void
  /** The same, made of paragraphs, signed with the test's key. @param date seconds since 1970 */
  publish(paragraphs: readonly string[], date?: number, section?: string): Promise<Buffer>
  declaration(options?: Readonly<Record<string, Json>>): FeedDeclaration
  environment(more?: Partial<FeedEnvironment>): FeedEnvironment
  readonly events: readonly Event[]
}

export async function feedScene(t: TestContext): Promise<FeedScene> {
  const root = mkdtempSync(join(tmpdir(), 'yoe-apk-feed-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const [mirror, module] = [join(root, 'mirror'), join(root, 'module')]
  mkdirSync(join(module, 'keys'), { recursive: true })
  const signer = await testSigner()
  writeFileSync(join(module, 'keys/test.rsa.pub'), publicPem(signer.key))
  const events: Event[] = []
  const put = (archive: Buffer, section = 'main'): void => {
    const folder = join(mirror, 'v3.19', section, 'x86_64')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'APKINDEX.tar.gz'), archive)
  }
  return {
    root,
    mirror,
    module,
    put,
    events,
    publish: async (paragraphs, date = 1_700_000_000, section = 'main') => {
      const archive = await indexArchive(indexText(paragraphs), 'v3.19.1-1-gtest', date, [signer])
      put(archive, section)
      return archive
    },
    declaration: (options = {}) => ({
      id: 'alpine.main',
      module: 'module-alpine',
      at: { file: 'MODULE.star', line: 3, column: 1 },
      format: 'apk',
      distro: 'alpine',
      options: { name: 'main', url: `file://${mirror}`, branch: 'v3.19', keys: ['keys/test.rsa.pub'], ...options },
    }),
    environment: (more = {}) => ({
      arch: 'x86_64',
      moduleRoot: module,
      cacheRoot: join(root, 'cache'),
      fetcher: createFetcher({ mirrors: { rules: [], only: false }, offline: false }),
      offline: false,
      refresh: false,
      now: () => Date.parse('2026-01-01T00:00:00Z'),
      report: (event) => {
        events.push(event)
        silent(event)
      },
      ...more,
    }),
  }
}
