import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Event } from '../../../src/engine/events.ts'
import type { UnitManifest } from '../../../src/engine/store/manifest.ts'
import { Store, type StoreOptions } from '../../../src/engine/store/store.ts'

/** A folder that is gone after the test. */
export class Scratch implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), 'yoe-store-'))
  readonly events: Event[] = []

  readonly report = (event: Event): void => {
    this.events.push(event)
  }

  store(name = 'cache', options: StoreOptions = {}): Promise<Store> {
    return Store.open(join(this.path, name), { report: this.report, ...options })
  }

  get warnings(): readonly string[] {
    return this.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.path, { recursive: true })
  }
}

export async function* bytes(...texts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

export function sha(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex')
}

export const someHash = sha('some unit')

/** A manifest of `files` (name to content), which the caller puts. */
export function manifestOf(
  files: Readonly<Record<string, string | Buffer>>,
  more: Partial<UnitManifest> = {},
): UnitManifest {
  return {
    unit: 'app',
    arch: 'x86_64',
    distro: 'debian',
    hash: someHash,
    inputs: { name: 'app', deps: ['zlib'] },
    files: Object.entries(files).map(([name, text]) => ({ name, sha256: sha(text), size: Buffer.byteLength(text) })),
    facts: { builtAt: 1_750_000_000_000, ms: 1234, builder: 'test' },
    ...more,
  }
}

/** What is unfinished in a cache. */
export function litter(root: string): readonly string[] {
  return [
    ...readdirSync(join(root, 'tmp')),
    ...(existsSync(join(root, 'locks')) ? readdirSync(join(root, 'locks')) : []),
  ].filter((name) => name !== 'in-use')
}
