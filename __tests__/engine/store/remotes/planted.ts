/** G6: whatever lies in the storage of a shared cache, nothing of it is believed, unpacked or run for lying there. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { entryName, UnitCache } from '../../../../src/engine/store/cache.ts'
import { seal } from '../../../../src/engine/store/manifest.ts'
import type { RemoteStore } from '../../../../src/engine/store/remote.ts'
import { type CacheSigner, parseCacheKey } from '../../../../src/engine/store/signing.ts'
import { bytes, litter, manifestOf, Scratch, someHash } from '../fixture.ts'
import { attacks, entry, manifest, ours, stranger, text } from '../planted.ts'
import type { Backend } from './backends.ts'

export interface Planting {
  /** What is built can take the place of what is there. */
  readonly replaces: boolean
  /** As another machine opens it. */
  open(): RemoteStore
  /** Puts bytes where an entry lies, past everything of ours. */
  plant(name: string, content: Buffer): Promise<void>
}

interface Row {
  readonly name: string
  readonly entry: Buffer
  readonly want: RegExp
}

const name = entryName('x86_64', someHash)
const trust = { keys: [parseCacheKey(ours.publicKey)], unsigned: false }

/** Archives that write to absolute places and to places above, for who unpacks what a cache gives. */
function archives(canary: string): readonly Row[] {
  const tar = execFileSync('tar', ['-cP', canary])
  const above = { [`../../${canary.split('/').at(-1)}`]: text }
  const noEntry = /no yoe-unit/
  return [
    { name: 'a tar with absolute names', entry: tar, want: noEntry },
    { name: 'the same, as actions/cache packs it', entry: zstdCompressSync(tar), want: noEntry },
    {
      name: 'the same behind our own head',
      entry: entry(seal(manifest, 'trusted', ours), tar),
      want: /is not what its manifest says/,
    },
    {
      name: 'a file name that leads out',
      entry: entry(seal(manifestOf(above), 'trusted', stranger)),
      want: /a file name in it is not one/,
    },
    {
      name: 'the same with our signature',
      entry: entry(seal(manifestOf(above), 'trusted', ours)),
      want: /a file name in it is not one/,
    },
    { name: 'a program', entry: Buffer.from('#!/bin/sh\nid >planted\n'), want: noEntry },
    { name: 'a page of a proxy', entry: Buffer.from('<html>Please log in</html>'), want: noEntry },
    { name: 'next to nothing', entry: Buffer.from('y'), want: noEntry },
  ]
}

export function plantedTests(kind: string, make: (t: TestContext) => Promise<Planting>): void {
  test(`G6 ${kind}: what was planted is a miss and one warning, touches nothing, and what is built takes its place`, async (t) => {
    const storage = await make(t)
    await using scratch = new Scratch()
    const canary = join(scratch.path, 'canary')
    const machine = async (folder: string, signer?: CacheSigner) => {
      const store = await scratch.store(folder)
      const remotes = [storage.open()]
      return { store, cache: new UnitCache({ store, remotes, trust, signer, report: scratch.report }) }
    }
    writeFileSync(canary, 'planted')
    const rows = [...attacks, ...archives(canary)]
    // The control: who unpacks them as others do is written to.
    writeFileSync(canary, 'as it was')
    execFileSync('tar', ['-xP'], { input: rows.find((row) => row.name === 'a tar with absolute names')?.entry })
    assert.equal(readFileSync(canary, 'utf8'), 'planted')
    writeFileSync(canary, 'as it was')

    for (const [index, row] of rows.entries()) {
      scratch.events.length = 0
      await storage.plant(name, row.entry)
      const { store, cache } = await machine(`machine-${index}`, ours)
      assert.equal(await cache.restore('x86_64', someHash), undefined, row.name)
      assert.equal(scratch.warnings.length, 1, `${row.name}: ${scratch.warnings.join('\n')}`)
      assert.match(scratch.warnings[0] ?? '', row.want, row.name)
      assert.equal(await store.manifest('x86_64', someHash), undefined, row.name)
      assert.deepEqual(litter(store.root), [], row.name)
      assert.equal(readFileSync(canary, 'utf8'), 'as it was', row.name)
      for await (const sha256 of store.objects.list())
        assert.ok(
          manifest.files.some((file) => file.sha256 === sha256),
          `${row.name}: keeps ${sha256}`,
        )
      await store.objects.put(bytes(text))
      await cache.save(manifest)
      if (!storage.replaces) continue
      const other = await machine(`other-${index}`)
      assert.deepEqual((await other.cache.restore('x86_64', someHash))?.manifest, manifest, row.name)
      assert.equal(scratch.warnings.length, 1, row.name)
    }
  })
}

/** Plants through the storage's own protocol where it takes what is sent, else past it. */
export async function planting(backend: Promise<Backend>, replaces: boolean): Promise<Planting> {
  const { open, fileOf } = await backend
  return {
    replaces,
    open: () => open(),
    async plant(at, content) {
      const fill = async (path: string): Promise<void> => writeFileSync(path, content)
      if ((await open().put(at, fill, { replace: true })) !== 'read-only') return
      mkdirSync(dirname(fileOf(at)), { recursive: true })
      writeFileSync(fileOf(at), content)
    },
  }
}
