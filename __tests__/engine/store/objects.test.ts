import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { YoeError } from '../../../src/engine/errors.ts'
import { Store } from '../../../src/engine/store/store.ts'
import { bytes, litter, Scratch, sha } from './fixture.ts'

test('objects: what is put can be had, read-only, under its digest', async () => {
  await using scratch = new Scratch()
  const { objects, root } = await scratch.store()
  const info = await objects.put(bytes('hello ', 'world'))
  assert.deepEqual(info, { sha256: sha('hello world'), size: 11 })
  const path = await objects.path(info.sha256)
  assert.equal(path, join(root, 'objects', info.sha256.slice(0, 2), info.sha256.slice(2)))
  assert.equal(readFileSync(path ?? '', 'utf8'), 'hello world')
  assert.equal(statSync(path ?? '').mode & 0o777, 0o444)
  assert.ok(await objects.has(info.sha256))
  assert.ok(!(await objects.has(sha('other'))))
  assert.equal(await objects.path(sha('other')), undefined)
  assert.deepEqual(litter(root), [])
})

test('objects: files of any size around the block size keep their bytes', async () => {
  await using scratch = new Scratch()
  const { objects } = await scratch.store()
  for (const size of [0, 1, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 3 * 2 ** 20 + 7]) {
    const content = Buffer.alloc(size)
    for (let at = 0; at < size; at += 97) content[at] = (at * 31) & 0xff
    const file = join(scratch.path, 'file')
    writeFileSync(file, content)
    assert.deepEqual(await objects.putFile(file), { sha256: sha(content), size })
    assert.ok(readFileSync((await objects.path(sha(content))) ?? '').equals(content))
  }
})

const refusals = [
  { name: 'another digest', expected: { sha256: sha('x') } },
  { name: 'too few bytes', expected: { size: 6 } },
  { name: 'too many bytes', expected: { size: 4 } },
]
for (const { name, expected } of refusals) {
  test(`objects: ${name} than expected is refused and leaves nothing`, async () => {
    await using scratch = new Scratch()
    const { objects, root } = await scratch.store()
    await assert.rejects(objects.put(bytes('hello'), expected), { code: 'DIGEST_MISMATCH' })
    assert.deepEqual(readdirSync(join(root, 'objects')), [])
    assert.deepEqual(litter(root), [])
  })
}

test('objects: a source that fails leaves nothing', async () => {
  await using scratch = new Scratch()
  const { objects, root } = await scratch.store()
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('x')
    throw new YoeError('CANCELLED', 'stop')
  }
  await assert.rejects(objects.put(failing()), { code: 'CANCELLED' })
  assert.deepEqual(litter(root), [])
})

test('objects: nothing is visible under the final name before it is whole', async () => {
  await using scratch = new Scratch()
  const { objects, root } = await scratch.store()
  async function* slow(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 5; i++) {
      assert.deepEqual(readdirSync(join(root, 'objects')), [])
      yield Buffer.alloc(1000, i)
    }
  }
  await objects.put(slow())
  assert.equal(readdirSync(join(root, 'objects')).length, 1)
})

test('objects: adopting moves a file, or copies it where somebody could still write to it', async () => {
  await using scratch = new Scratch()
  const { objects } = await scratch.store()
  const file = join(scratch.path, 'file')
  writeFileSync(file, 'moved')
  const { ino } = statSync(file)
  const { sha256 } = await objects.adopt(file)
  assert.equal(statSync((await objects.path(sha256)) ?? '').ino, ino)
  assert.ok(!existsSync(file))

  writeFileSync(file, 'shared')
  linkSync(file, `${file}2`)
  const shared = await objects.adopt(file)
  writeFileSync(`${file}2`, 'SHARED')
  assert.equal(readFileSync((await objects.path(shared.sha256)) ?? '', 'utf8'), 'shared')

  symlinkSync('/etc/passwd', `${file}3`)
  await assert.rejects(objects.adopt(`${file}3`))
  writeFileSync(file, 'wrong')
  await assert.rejects(objects.adopt(file, { sha256: sha('right') }), { code: 'DIGEST_MISMATCH' })
})

test('objects: materialize links for readers and copies for writers, replacing what is there', async () => {
  await using scratch = new Scratch()
  const { objects } = await scratch.store()
  const { sha256 } = await objects.put(bytes('content'))
  const dest = join(scratch.path, 'dest')
  const path = (await objects.path(sha256)) ?? ''
  for (const before of ['nothing', 'a file', 'itself']) {
    if (before === 'a file') {
      rmSync(dest)
      writeFileSync(dest, 'old')
    }
    assert.ok(await objects.materialize(sha256, dest, 'link'))
    assert.equal(statSync(dest).ino, statSync(path).ino, before)
  }
  assert.ok(await objects.materialize(sha256, dest, 'copy'))
  writeFileSync(dest, 'changed')
  assert.equal(readFileSync(path, 'utf8'), 'content')
  assert.equal(await objects.materialize(sha('other'), dest, 'copy'), false)
  assert.deepEqual(readdirSync(scratch.path).sort(), ['cache', 'dest'])
})

/** Ways in which an object's file goes bad while its name and times stay. */
const damages: readonly {
  name: string
  harm: (path: string, content: Buffer, turn: number) => void
  rounds: number
}[] = [
  {
    name: 'one bit flipped',
    rounds: 300,
    harm: (path, content, turn) => {
      const at = (turn * 7919) % content.length
      const flipped = Buffer.from(content)
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (turn % 8))
      writeFileSync(path, flipped)
    },
  },
  {
    name: 'the end cut off',
    rounds: 20,
    harm: (path, content, turn) => truncateSync(path, (turn * 37) % content.length),
  },
  { name: 'zero bytes', rounds: 1, harm: (path) => truncateSync(path, 0) },
  {
    name: 'a byte more',
    rounds: 1,
    harm: (path, content) => writeFileSync(path, Buffer.concat([content, Buffer.from('x')])),
  },
  { name: 'another object', rounds: 1, harm: (path) => writeFileSync(path, 'a blob of another digest') },
  {
    name: 'a folder',
    rounds: 1,
    harm: (path) => {
      rmSync(path)
      mkdirSync(path)
    },
  },
]
for (const { name, harm, rounds } of damages) {
  test(`A8 objects: ${name} is seen, set aside, and mended by the next put`, async () => {
    await using scratch = new Scratch()
    const content = Buffer.from('some content that matters '.repeat(40))
    const { objects: first, root } = await scratch.store()
    const { sha256 } = await first.put(bytes(content))
    const path = (await first.path(sha256)) ?? ''
    const { atime, mtime } = statSync(path)
    for (let turn = 0; turn < rounds; turn++) {
      chmodSync(path, 0o644)
      harm(path, content, turn)
      utimesSync(path, atime, mtime)
      const { objects } = await Store.open(root, { report: scratch.report })
      assert.equal(await objects.path(sha256), undefined)
      assert.ok(!(await objects.has(sha256)))
      assert.equal(scratch.warnings.length, turn + 1)
      await objects.put(bytes(content))
      assert.equal(await objects.path(sha256), path)
    }
    assert.equal(readdirSync(join(root, 'damaged')).length, rounds)
  })
}
