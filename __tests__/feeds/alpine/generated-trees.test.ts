/** Trees of all kinds of entries, made by chance: what apk installs of them is what was there. */
import assert from 'node:assert/strict'
import { lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { chmod, link, mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { packApk } from '../../../src/feeds/alpine/pack.ts'
import { publishRepository } from '../../../src/feeds/alpine/repository.ts'
import { generateRsaKey } from '../../../src/feeds/keys/rsa.ts'
import { apk2, apk3 } from '../../support/alpine/apk.ts'
import { packInput, scratch } from '../../support/making.ts'
import { keysFolder, publishInput } from './making.ts'

/** The same numbers in every run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state >> 8) % below
  }
}

const words = [
  'a',
  'b c',
  'ü',
  'x'.repeat(90),
  '-rf',
  '$(id)',
  "'",
  '"',
  '\\',
  '.hidden',
  '~',
  'con=sole',
  '{}',
  '😀',
  'CON',
]

/** @returns what was made: path below the destdir to what it is */
async function grow(destdir: string, seed: number): Promise<ReadonlyMap<string, 'file' | 'link' | 'folder'>> {
  const random = randomOf(seed)
  const made = new Map<string, 'file' | 'link' | 'folder'>()
  for (let n = 0; n < 40; n++) {
    const depth = 1 + random(4)
    const path = ['usr/share', ...Array.from({ length: depth }, () => words[random(words.length)] ?? '')].join('/') + n
    const place = join(destdir, path)
    await mkdir(dirname(place), { recursive: true })
    const files = [...made].filter(([, kind]) => kind === 'file')
    const other = files[random(Math.max(1, files.length))]?.[0]
    const kind = random(5)
    if (kind === 0) await mkdir(place)
    else if (kind === 1) await symlink(`./${words[random(words.length)]}`, place)
    else if (kind === 2 && other !== undefined) await link(join(destdir, other), place)
    else {
      // Also larger than what is read at once, and exactly as large.
      const size = [0, 1, 511, 512, 513, 70_000, 1 << 20, (1 << 20) + 1][random(8)] ?? 0
      await writeFile(place, Buffer.alloc(size, `${seed}-${n}`))
      await chmod(place, [0o644, 0o755, 0o600, 0o444][random(4)] ?? 0o644)
    }
    made.set(path, kind === 0 ? 'folder' : kind === 1 ? 'link' : 'file')
  }
  return made
}

test('apk installs what was there, and finds it unchanged', async (t) => {
  const key = await generateRsaKey('demo')
  for (const [name, apk, seeds] of [
    ['apk 2', apk2, [1, 2, 3, 4]],
    ['apk 3', apk3, [5, 6]],
  ] as const) {
    for (const seed of seeds) {
      const folder = await scratch(t)
      const destdir = join(folder, 'dest')
      const made = await grow(destdir, seed)
      const unit = { qaSkip: { dangling: 'made by chance' } }
      const packed = await packApk(packInput(destdir, join(folder, 'out'), { distro: 'alpine', unit }))
      await publishRepository(publishInput(join(folder, 'repo'), key, packed))
      const root = join(folder, 'root')
      await mkdir(root)
      const options = { root, keys: await keysFolder(folder, key), repositories: [join(folder, 'repo')] }
      const added = await apk(['add', '--initdb', 'app'], options)
      assert.equal(added.code, 0, `${name} ${seed}: ${added.stdout}${added.stderr}`)
      const audit = await apk(['audit', '--system'], options)
      assert.deepEqual([audit.code, audit.stdout], [0, ''], `${name} ${seed}`)
      for (const [path, kind] of made) {
        const [ours, theirs] = [join(destdir, path), join(root, path)]
        if (kind === 'folder') assert.ok(lstatSync(theirs).isDirectory(), path)
        else if (kind === 'link') assert.equal(readlinkSync(theirs), readlinkSync(ours), path)
        else {
          assert.ok(readFileSync(theirs).equals(readFileSync(ours)), path)
          assert.equal(lstatSync(theirs).mode & 0o7777, lstatSync(ours).mode & 0o7777, path)
          assert.equal(lstatSync(theirs).nlink, lstatSync(ours).nlink, path)
        }
      }
    }
  }
})
