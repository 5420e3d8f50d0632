import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { bwrapWorker } from '../../../src/engine/build/bwrap.ts'
import { removeTree } from '../../../src/engine/build/tree.ts'
import { YoeError } from '../../../src/engine/errors.ts'
import { applyPatches } from '../../../src/engine/source/patch.ts'
import { unpackArchive } from '../../../src/engine/source/unpack.ts'
import { Scratch } from '../store/fixture.ts'

const worker = bwrapWorker()
const usable = await worker.probe()
const skip = usable.ok ? false : usable.reason
const quiet = (): void => {}

interface Entry {
  readonly name: string
  readonly type?: string
  readonly link?: string
  readonly mode?: number
  readonly content?: string
  /** Said in the header instead of the content's length. */
  readonly size?: number
}

/** A tar as somebody hostile would write it: every field as told. */
function tar(entries: readonly Entry[]): Buffer {
  const blocks: Buffer[] = []
  for (const { name, type = '0', link = '', mode = 0o644, content = '', size } of entries) {
    const header = Buffer.alloc(512)
    header.write(name, 0, 100, 'latin1')
    header.write(`${mode.toString(8).padStart(7, '0')}\0`, 100)
    header.write('0000000\0', 108)
    header.write('0000000\0', 116)
    header.write(`${(size ?? content.length).toString(8).padStart(11, '0')}\0`, 124)
    header.write('00000000000\0', 136)
    header.write('        ', 148)
    header.write(type, 156)
    header.write(link, 157, 100, 'latin1')
    header.write('ustar\x0000', 257)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    blocks.push(header)
    if (content !== '')
      blocks.push(Buffer.concat([Buffer.from(content), Buffer.alloc((512 - (content.length % 512)) % 512)]))
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

interface Unpacked {
  readonly error: YoeError | undefined
  readonly dest: string
}

async function unpack(
  scratch: Scratch,
  archive: Buffer | string,
  more: Partial<Parameters<typeof unpackArchive>[0]> = {},
): Promise<Unpacked> {
  chmodSync(scratch.path, 0o755)
  const dest = join(scratch.path, 'dest')
  await removeTree(dest)
  mkdirSync(dest)
  const path = typeof archive === 'string' ? archive : join(scratch.path, 'archive')
  if (typeof archive !== 'string') writeFileSync(path, archive)
  const error = await unpackArchive({
    worker,
    root: 'host',
    archive: path,
    title: 'thing',
    dest,
    log: quiet,
    strip: true,
    ...more,
  }).then(
    () => undefined,
    (failure: unknown) => {
      if (failure instanceof YoeError) return failure
      throw failure
    },
  )
  return { error, dest }
}

const compressors = [
  { name: 'nothing', argv: undefined },
  { name: 'gzip', argv: ['gzip', '-c'] },
  { name: 'xz', argv: ['xz', '-c'] },
  { name: 'bzip2', argv: ['bzip2', '-c'] },
  { name: 'zstd', argv: ['zstd', '-q', '-c'] },
  { name: 'lzip', argv: ['lzip', '-c'] },
]
for (const { name, argv } of compressors) {
  const missing = argv !== undefined && !isThere(argv[0] ?? '')
  test(`unpack: a tar in ${name}; its only folder gives way`, {
    skip: skip || (missing && `no ${name} here`),
  }, async () => {
    await using scratch = new Scratch()
    const plain = tar([
      { name: 'app-1.0/', type: '5', mode: 0o755 },
      { name: 'app-1.0/run', mode: 0o755, content: '#!/bin/sh' },
      { name: 'app-1.0/app-1.0', content: 'same name' },
      { name: 'app-1.0/link', type: '2', link: '/usr/bin/elsewhere' },
      { name: 'app-1.0/hard', type: '1', link: 'app-1.0/run' },
    ])
    const packed = argv === undefined ? plain : execFileSync(argv[0] ?? '', argv.slice(1), { input: plain })
    const { error, dest } = await unpack(scratch, packed)
    assert.equal(error, undefined)
    assert.deepEqual(readdirSync(dest).sort(), ['app-1.0', 'hard', 'link', 'run'])
    assert.equal(readFileSync(join(dest, 'app-1.0'), 'utf8'), 'same name')
    assert.equal(lstatSync(join(dest, 'run')).mode & 0o777, 0o755)
    assert.equal(readlinkSync(join(dest, 'link')), '/usr/bin/elsewhere')
    await removeTree(dest)
  })
}

function isThere(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`])
    return true
  } catch {
    return false
  }
}

test('unpack: several things at the top stay, and so does a folder that was not to give way', { skip }, async () => {
  await using scratch = new Scratch()
  const two = await unpack(
    scratch,
    tar([
      { name: 'a', content: '1' },
      { name: 'b/c', content: '2' },
    ]),
  )
  assert.deepEqual(readdirSync(two.dest).sort(), ['a', 'b'])
  const one = await unpack(scratch, tar([{ name: 'b/c', content: '2' }]), { strip: false })
  assert.deepEqual(readdirSync(one.dest), ['b'])
  await removeTree(one.dest)
})

test('unpack: a zip', {
  skip: skip || (!(isThere('unzip') && isThere('python3')) && 'no unzip or python3 here'),
}, async () => {
  await using scratch = new Scratch()
  const zip = (entries: readonly string[]): Buffer =>
    execFileSync('python3', [
      '-c',
      `import sys,zipfile\nz=zipfile.ZipFile(sys.stdout.buffer,'w')\nfor n in sys.argv[1:]: z.writestr(n,'content')`,
      ...entries,
    ])
  const good = await unpack(scratch, zip(['app-1/a', 'app-1/b/c']))
  assert.equal(good.error, undefined)
  assert.deepEqual(readdirSync(good.dest).sort(), ['a', 'b'])
  const bad = await unpack(scratch, zip(['../evil', 'x']))
  assert.equal(bad.error?.code, 'ARCHIVE_UNSAFE')
  assert.ok(!existsSync(join(scratch.path, 'evil')))
  await removeTree(bad.dest)
})

const refused: readonly { name: string; archive: Buffer; want?: RegExp }[] = [
  { name: 'D1 a name above', archive: tar([{ name: '../evil', content: 'x' }]) },
  { name: 'D1 a name above, later', archive: tar([{ name: 'a/../../evil', content: 'x' }]) },
  { name: 'D1 an absolute name', archive: tar([{ name: '/tmp/evil', content: 'x' }]), want: /outside of its folder/ },
  { name: 'D2 a sibling with a similar name', archive: tar([{ name: '../dest-evil/x', content: 'x' }]) },
  { name: 'D5 a device', archive: tar([{ name: 'null', type: '3' }]) },
  { name: 'D5 a fifo', archive: tar([{ name: 'fifo', type: '6' }]), want: /"fifo" is no file, folder or link/ },
  { name: 'D4 a hard link to outside', archive: tar([{ name: 'x', type: '1', link: '/etc/passwd' }]) },
  {
    name: 'D7 a negative size',
    archive: Buffer.from(
      tar([{ name: 'x' }])
        .toString('latin1')
        .replace('00000000000\0', '-0000000001\0'),
      'latin1',
    ),
  },
  { name: 'D8 a truncated archive', archive: tar([{ name: 'x', content: 'y'.repeat(5000) }]).subarray(0, 3000) },
  { name: 'something that is no archive', archive: Buffer.from('<html>sign in</html>'.repeat(100)) },
  { name: 'a compressed nothing', archive: Buffer.from('1f8b0800', 'hex') },
]
for (const { name, archive, want } of refused) {
  test(`unpack: ${name} is refused`, { skip }, async () => {
    await using scratch = new Scratch()
    const before = readdirSync(scratch.path)
    const { error, dest } = await unpack(scratch, archive)
    assert.equal(error?.code, 'ARCHIVE_UNSAFE', error?.message)
    if (want !== undefined) assert.match(error?.message ?? '', want)
    assert.match(error?.message ?? '', /^thing can't be unpacked: /)
    await removeTree(dest)
    assert.deepEqual(readdirSync(scratch.path).sort(), [...before, 'archive'].sort())
    assert.ok(!existsSync('/tmp/evil'))
  })
}

test('D3 unpack: nothing is written through a link', { skip }, async () => {
  await using scratch = new Scratch()
  mkdirSync(join(scratch.path, 'outside'))
  chmodSync(join(scratch.path, 'outside'), 0o777)
  for (const link of [join(scratch.path, 'outside'), '../outside']) {
    const { dest } = await unpack(
      scratch,
      tar([
        { name: 'l', type: '2', link },
        { name: 'l/x', content: 'evil' },
        { name: 'l', content: 'evil' },
      ]),
    )
    assert.deepEqual(readdirSync(join(scratch.path, 'outside')), [])
    await removeTree(dest)
  }
})

test('D5 unpack: set-id bits and owners do not come along', { skip }, async () => {
  await using scratch = new Scratch()
  const { error, dest } = await unpack(
    scratch,
    tar([
      { name: 'su', mode: 0o6777, content: 'x' },
      { name: 'dir/', type: '5', mode: 0o7777 },
    ]),
  )
  assert.equal(error, undefined)
  for (const name of ['su', 'dir']) assert.equal(lstatSync(join(dest, name)).mode & 0o7022, 0, name)
  await removeTree(dest)
})

const bombs: readonly {
  name: string
  archive: () => Buffer
  limits: { entries?: number; depth?: number; bytes?: number }
  want: RegExp
}[] = [
  {
    name: 'many entries',
    archive: () => tar(Array.from({ length: 3000 }, (_, i) => ({ name: `d/${i}` }))),
    limits: { entries: 1000 },
    want: /more than 1000 entries/,
  },
  {
    name: 'depth',
    archive: () => tar([{ name: `${'d/'.repeat(45)}x` }]),
    limits: { depth: 40 },
    want: /more than 40 folders in each other/,
  },
  {
    name: 'bytes',
    archive: () =>
      execFileSync(
        'sh',
        [
          '-c',
          'cd "$(mktemp -d)" && for i in 1 2 3 4; do head -c 20000000 /dev/zero > $i; done && tar cz . && rm -r "$PWD"',
        ],
        { maxBuffer: 2 ** 26 },
      ),
    limits: { bytes: 50_000_000 },
    want: /more than 50000000 bytes/,
  },
  {
    name: 'one file',
    archive: () =>
      execFileSync('sh', ['-c', 'cd "$(mktemp -d)" && head -c 60000000 /dev/zero > x && tar cz . && rm -r "$PWD"'], {
        maxBuffer: 2 ** 26,
      }),
    limits: { bytes: 50_000_000 },
    want: /unpacked/,
  },
]
for (const { name, archive, limits, want } of bombs) {
  test(`D6 unpack: too much of ${name}`, { skip }, async () => {
    await using scratch = new Scratch()
    const { error, dest } = await unpack(scratch, archive(), {
      limits: { entries: 1e6, depth: 64, bytes: 2 ** 34, ...limits },
    })
    assert.equal(error?.code, 'ARCHIVE_UNSAFE', error?.message)
    assert.match(error?.message ?? '', want)
    await removeTree(dest)
  })
}

test('D6 unpack: a bomb is stopped while it goes off, not after', { skip }, async () => {
  await using scratch = new Scratch()
  // 8 GiB of a gzip that is stitched together from one member.
  const member = execFileSync('sh', ['-c', 'head -c 67108864 /dev/zero | gzip -1'], { maxBuffer: 2 ** 24 })
  const head = execFileSync('gzip', ['-c'], { input: tar([{ name: 'x', size: 0o77777777777 }]).subarray(0, 512) })
  const start = performance.now()
  const limits = { entries: 10, depth: 5, bytes: 100_000_000 }
  const { error, dest } = await unpack(scratch, Buffer.concat([head, ...Array.from({ length: 127 }, () => member)]), {
    limits,
  })
  assert.equal(error?.code, 'ARCHIVE_UNSAFE', error?.message)
  assert.ok(performance.now() - start < 15_000)
  assert.ok(lstatSync(join(dest, 'x')).blocks * 512 < 2 ** 31)
  await removeTree(dest)
})

test('unpack: a root without the tool says which package to add', { skip }, async () => {
  await using scratch = new Scratch()
  chmodSync(scratch.path, 0o755)
  const root = join(scratch.path, 'root')
  // A root with tar and its libraries, and no xz.
  for (const folder of ['usr/bin', 'dev', 'proc', 'tmp', 'build', 'etc', 'run', 'var'])
    mkdirSync(join(root, folder), { recursive: true })
  execFileSync('sh', [
    '-c',
    `cp /bin/tar "$0"/usr/bin/ && for l in $(ldd /bin/tar | grep -o '/[^ ]*'); do mkdir -p "$0$(dirname $l)" && cp -L $l "$0$l"; done`,
    root,
  ])
  writeFileSync(join(scratch.path, 'a.xz'), execFileSync('xz', ['-c'], { input: tar([{ name: 'x' }]) }))
  const { error, dest } = await unpack(scratch, join(scratch.path, 'a.xz'), { root })
  assert.equal(error?.code, 'TOOL_MISSING', error?.message)
  assert.match(error?.hint ?? '', /"xz-utils"/)
  await removeTree(dest)
})

const source = 'one\ntwo\nthree\nfour\nfive\n'
const diff = (from: string, to: string, file = 'f'): string =>
  `--- a/${file}\n+++ b/${file}\n@@ -1,3 +1,3 @@\n one\n-${from}\n+${to}\n three\n`
const patches: readonly { name: string; patches: readonly string[]; want?: string; fails?: RegExp }[] = [
  { name: 'one', patches: [diff('two', 'TWO')], want: source.replace('two', 'TWO') },
  { name: 'two, in order', patches: [diff('two', 'TWO'), diff('TWO', '2')], want: source.replace('two', '2') },
  {
    name: 'two, out of order',
    patches: [diff('TWO', '2'), diff('two', 'TWO')],
    fails: /patch 0\.patch does not apply\n {2}f: Hunk #1 FAILED at 1/,
  },
  {
    name: 'a reversed one',
    patches: [diff('two', 'TWO'), diff('two', 'TWO')],
    fails: /1\.patch does not apply\n.*Reversed/,
  },
  {
    name: 'for a file that is not there',
    patches: [diff('two', 'x', 'gone')],
    fails: /0\.patch does not apply\n.*\n {2}wanted: b\/gone/,
  },
  { name: 'that is none', patches: ['hello'], fails: /0\.patch does not apply\n.*garbage/ },
  { name: 'that leaves the folder', patches: [diff('two', 'x', '../../etc/passwd')], fails: /does not apply/ },
  {
    name: 'with a new program by git',
    patches: [
      'diff --git a/n b/n\nnew file mode 100755\nindex 0000000..ce01362\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+hello\n',
    ],
    want: source,
  },
]
for (const { name, patches: texts, want, fails } of patches) {
  test(`patch: ${name}`, { skip: skip || (!isThere('patch') && 'no patch here') }, async () => {
    await using scratch = new Scratch()
    chmodSync(scratch.path, 0o755)
    const dest = join(scratch.path, 'dest')
    mkdirSync(dest)
    writeFileSync(join(dest, 'f'), source)
    const files = texts.map((text, index) => {
      const path = join(scratch.path, `${index}.patch`)
      writeFileSync(path, text)
      return { path, label: `${index}.patch` }
    })
    const work = applyPatches({ worker, root: 'host', patches: files, dest, log: quiet })
    if (fails === undefined) {
      await work
      assert.equal(readFileSync(join(dest, 'f'), 'utf8'), want)
      assert.deepEqual(
        readdirSync(dest).filter((entry) => entry !== 'n'),
        ['f'],
        'nothing is left beside',
      )
    } else await assert.rejects(work, { code: 'TASK_FAILED', message: fails })
    await removeTree(dest)
  })
}
