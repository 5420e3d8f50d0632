import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { YoeError } from '../../../src/engine/errors.ts'
import { readTar } from '../../../src/engine/image/tar-read.ts'
import { Scratch } from '../store/fixture.ts'
import { gnu, pax, tar, tarEntry } from './tar-making.ts'
import { listing, unpack } from './unpacking.ts'

/** Numbers that are the same in every run (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const bases: readonly Buffer[] = [
  tar([
    { name: 'd/', type: '5', mode: 0o755 },
    { name: 'd/file', content: 'content' },
    { name: 'd/link', type: '2', link: 'file' },
    { name: 'd/hard', type: '1', link: 'd/file' },
    { name: 'd/big', content: 'x'.repeat(1500) },
  ]),
  tar([
    pax({ comment: 'a commit' }, 'g'),
    pax({ path: 'long/name', mtime: '12.5' }),
    { name: 'short', content: 'one' },
    pax({ size: '3', linkpath: 'x' }),
    { name: 'three', content: 'two' },
  ]),
  tar([
    gnu('L', 'gnu/name'),
    { name: 'cut', content: 'x', magic: 'ustar  \0' },
    gnu('K', 'target'),
    { name: 'l', type: '2', link: 'targe' },
  ]),
  tar([
    { name: 'v7/', type: '\0', magic: '\0' },
    { name: 'v7/file', type: '\0', content: 'old', magic: '\0' },
  ]),
]

/** Changes a few bytes, mostly where readers look; checksums are put right again, or nobody would look further. */
function mutate(base: Buffer, random: (below: number) => number): Buffer {
  const bytes = Buffer.from(base)
  const blocks = bytes.length / 512
  for (let change = 0; change <= random(2); change++) {
    const block = random(blocks - 2) * 512
    switch (random(6)) {
      case 0:
        bytes.write('/.01257xgLKSDVNM\0 9-\xff\x80'.charAt(random(23)), block + 156, 'latin1')
        break
      case 1:
        bytes.write('01234567 \0-9\x80\xff'.charAt(random(14)), block + 124 + random(12), 'latin1')
        break
      case 2:
        bytes.write('/.\0a\\ \xfc'.charAt(random(7)), block + random(20), 'latin1')
        break
      case 3:
        bytes.write('us\0 t0'.charAt(random(6)), block + 257 + random(8), 'latin1')
        break
      case 4:
        bytes.writeUInt8(random(256), block + random(512))
        break
      default:
        bytes.write(['path', 'size=', '../', '\n', '1'][random(5)] ?? '', block + random(60), 'latin1')
    }
    const field = bytes.toString('latin1', block + 148, block + 156)
    if (!/^[0-7]{6}\0 $/.test(field) || random(20) === 0) continue
    bytes.fill(' ', block + 148, block + 156)
    const sum = bytes.subarray(block, block + 512).reduce((total, byte) => total + byte, 0)
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, block + 148)
  }
  const cut = random(12)
  if (cut === 0) return bytes.subarray(0, random(blocks) * 512)
  if (cut === 1) return Buffer.concat([bytes, random(2) === 0 ? Buffer.alloc(512) : tarEntry({ name: 'hidden' })])
  return bytes
}

async function accepted(archive: Buffer): Promise<boolean> {
  const chunks = async function* (): AsyncGenerator<Buffer> {
    yield archive
  }
  try {
    for await (const { body } of readTar(chunks(), 'it', 'any')) for await (const _ of body());
    return true
  } catch (failure) {
    if (failure instanceof YoeError && failure.code === 'ARCHIVE_UNSAFE') return false
    throw failure
  }
}

/** Each unpacks `in/*.tar` into folders of their names, and leaves no folder of what it refuses. */
const readers: readonly { name: string; argv: readonly string[] }[] = [
  { name: 'GNU tar', argv: ['sh', '-c', loop('tar --no-same-owner')] },
  { name: 'bsdtar', argv: ['sh', '-c', loop('bsdtar --no-same-owner')] },
  {
    name: 'Python',
    argv: [
      ...['python3', '-W', 'ignore', '-c'],
      `import os,shutil,tarfile
for name in os.listdir("in"):
  os.mkdir(name)
  try: tarfile.open("in/"+name,"r:",errorlevel=2).extractall(name)
  except Exception: shutil.rmtree(name)`,
    ],
  },
]

function loop(reader: string): string {
  return `for a in in/*; do n=$(basename $a); mkdir $n; ${reader} -xf $a -C $n 2>/dev/null || rm -rf $n; done`
}

test('D8 of 10,000 mutated archives, what is taken is what other readers find in it, or they refuse it', async () => {
  await using scratch = new Scratch()
  const random = numbers(20_240_101)
  const taken: Buffer[] = []
  let refused = 0
  for (let n = 0; n < 10_000; n++) {
    const archive = mutate(bases[n % bases.length] ?? Buffer.alloc(0), random)
    if (await accepted(archive)) taken.push(archive)
    else refused++
  }
  assert.ok(refused > 2000 && taken.length > 500, `${refused} refused, ${taken.length} taken`)
  const ours = new Map<string, readonly string[]>()
  mkdirSync(join(scratch.path, 'in'))
  for (const [index, archive] of taken.entries()) {
    if (index % Math.ceil(taken.length / 150) !== 0) continue
    const { error, dest } = await unpack(scratch, archive, { strip: false })
    if (error !== undefined) continue
    ours.set(`${index}.tar`, tree(dest))
    writeFileSync(join(scratch.path, 'in', `${index}.tar`), archive)
  }
  for (const { name, argv } of readers) {
    const [program = '', ...args] = argv
    const cwd = join(scratch.path, name)
    mkdirSync(cwd)
    symlinkSync('../in', join(cwd, 'in'))
    assert.equal(spawnSync(program, args, { cwd, stdio: 'ignore' }).status, 0)
    const found = [...ours].filter(([archive]) => existsSync(join(cwd, archive)))
    assert.ok(found.length > 50, `${name} takes ${found.length}`)
    for (const [archive, want] of found) assert.deepEqual(tree(join(cwd, archive)), want, `${name} reads it otherwise`)
  }
})

/** Names and contents: modes are nobody's business here. */
const tree = (folder: string): readonly string[] => listing(folder).map((line) => line.replace(/^(\S*) \d+ ?/, '$1 '))
