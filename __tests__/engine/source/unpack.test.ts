import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { removeTree } from '../../../src/engine/build/tree.ts'
import { Scratch } from '../store/fixture.ts'
import { ar, gnu, pax, tar, tarEntry } from './tar-making.ts'
import { listing, skip, unpack, worker } from './unpacking.ts'

const app = tar([
  { name: 'app-1.0/', type: '5', mode: 0o755 },
  { name: 'app-1.0/run', mode: 0o755, content: '#!/bin/sh', mtime: 1_000_000_000 },
  { name: 'app-1.0/app-1.0', content: 'same name' },
  { name: 'app-1.0/link', type: '2', link: '/usr/bin/elsewhere' },
  { name: 'app-1.0/hard', type: '1', link: 'app-1.0/run' },
  { name: 'app-1.0/a/b/c', content: 'deep' },
])
const unpackedApp = [
  'a/ 755',
  'a/b/ 755',
  'a/b/c 644 deep',
  'app-1.0 644 same name',
  'hard 755 #!/bin/sh',
  'link -> /usr/bin/elsewhere',
  'run 755 #!/bin/sh',
]

function piped(program: string, args: readonly string[], input: Buffer): Buffer {
  return execFileSync(program, args, { input, maxBuffer: 2 ** 28 })
}

const compressors: readonly { name: string; pack: (plain: Buffer) => Buffer; sandbox?: true }[] = [
  { name: 'nothing', pack: (plain) => plain },
  { name: 'gzip', pack: (plain) => piped('gzip', ['-c'], plain) },
  { name: 'gzip, filled up with zeros', pack: (plain) => Buffer.concat([gzipSync(plain), Buffer.alloc(777)]) },
  { name: 'gzip in two members', pack: (plain) => twoParts(plain, gzipSync) },
  { name: 'zstd', pack: (plain) => piped('zstd', ['-q', '-c'], plain) },
  { name: 'zstd in two frames', pack: (plain) => twoParts(plain, zstdCompressSync) },
  {
    name: 'zstd behind a frame that is skipped',
    pack: (plain) => Buffer.concat([Buffer.from('502a4d1804000000aaaaaaaa', 'hex'), zstdCompressSync(plain)]),
  },
  { name: 'xz', pack: (plain) => piped('xz', ['-c'], plain), sandbox: true },
  { name: 'bzip2', pack: (plain) => piped('bzip2', ['-c'], plain), sandbox: true },
  { name: 'lzip', pack: (plain) => piped('lzip', ['-c'], plain), sandbox: true },
]
const twoParts = (plain: Buffer, pack: (part: Buffer) => Buffer): Buffer =>
  Buffer.concat([pack(plain.subarray(0, 700)), pack(plain.subarray(700))])

for (const { name, pack, sandbox } of compressors) {
  test(`unpack: a tar in ${name}; its only folder gives way`, { skip: sandbox && skip }, async () => {
    await using scratch = new Scratch()
    const { error, dest } = await unpack(scratch, pack(app), sandbox ? { worker } : {})
    assert.equal(error, undefined)
    assert.deepEqual(listing(dest), unpackedApp)
    assert.equal(lstatSync(join(dest, 'run')).mtimeMs, 1e12, 'make compares times')
    await removeTree(dest)
  })

  test(`unpack: ${name}, cut off or damaged, is refused`, { skip: sandbox && skip }, async () => {
    await using scratch = new Scratch()
    // Larger than what a program takes in at once.
    const whole = pack(tar([{ name: 'x', content: createHash('sha512').update('x').digest('hex').repeat(1000) }]))
    const damaged = Buffer.from(whole)
    damaged.fill('damage', whole.length >> 1, (whole.length >> 1) + 60)
    const packed = name !== 'nothing'
    for (const bad of [whole.subarray(0, whole.length - 600), whole.subarray(0, 100), ...(packed ? [damaged] : [])]) {
      if (bad.length === 0 || name.includes('zeros')) continue
      const { error, dest } = await unpack(scratch, bad, sandbox ? { worker } : {})
      assert.equal(error?.code, 'ARCHIVE_UNSAFE', error?.message)
      await removeTree(dest)
    }
    if (!packed) return
    const { error, dest } = await unpack(
      scratch,
      Buffer.concat([whole, Buffer.from('garbage')]),
      sandbox ? { worker } : {},
    )
    // These two say nothing of what follows.
    if (name !== 'lzip' && name !== 'bzip2') assert.equal(error?.code, 'ARCHIVE_UNSAFE', error?.message)
    await removeTree(dest)
  })
}

const dialects: readonly { name: string; make: (folder: string) => Buffer }[] = [
  'v7',
  'oldgnu',
  'gnu',
  'ustar',
  'posix',
].map((format) => ({
  name: `GNU tar, ${format}`,
  make: (folder) => execFileSync('tar', [`--format=${format}`, '-C', folder, '-c', '.'], { maxBuffer: 2 ** 26 }),
}))
for (const { name, make } of [
  ...dialects,
  { name: 'bsdtar, pax', make: (folder: string) => execFileSync('bsdtar', ['--format=pax', '-C', folder, '-c', '.']) },
  {
    name: 'Python',
    make: (folder: string) =>
      python('t=tarfile.open(fileobj=sys.stdout.buffer,mode="w|");t.add(sys.argv[1],".");t.close()', folder),
  },
]) {
  test(`unpack: what ${name} writes`, async () => {
    await using scratch = new Scratch()
    const folder = join(scratch.path, 'in')
    // V7 has room for 99 bytes, ustar for a name of 100 and a folder of 155.
    const long = name.includes('v7') ? 'folder' : `${'d'.repeat(90)}/${'e'.repeat(50)}`
    const far = /v7|ustar/.test(name) ? 'short' : 'f'.repeat(200)
    mkdirSync(join(folder, long), { recursive: true })
    writeFileSync(join(folder, long, far), 'far')
    writeFileSync(join(folder, 'ümlaut'), 'x'.repeat(5000))
    writeFileSync(Buffer.from(`${folder}/latin\xfc`, 'latin1'), 'bytes stay')
    writeFileSync(join(folder, 'back\\slash'), '')
    symlinkSync(/v7|ustar/.test(name) ? 'ümlaut' : `${'../'.repeat(60)}nowhere`, join(folder, 'soft'))
    chmodSync(join(folder, 'ümlaut'), 0o6755)
    const { error, dest } = await unpack(scratch, make(folder))
    assert.equal(error, undefined)
    chmodSync(join(folder, 'ümlaut'), 0o755)
    assert.deepEqual(listing(dest), listing(folder))
    assert.equal(readFileSync(Buffer.from(`${dest}/latin\xfc`, 'latin1'), 'latin1'), 'bytes stay')
  })
}

function python(code: string, ...args: readonly string[]): Buffer {
  return execFileSync('python3', ['-c', `import sys,tarfile,zipfile,io\n${code}`, ...args], { maxBuffer: 2 ** 26 })
}

test('unpack: several things at the top stay, and so does a folder that was not to give way', async () => {
  await using scratch = new Scratch()
  const entries = [
    { name: 'a', content: '1' },
    { name: 'b/c', content: '2' },
  ]
  const two = await unpack(scratch, tar(entries))
  assert.deepEqual(listing(two.dest), ['a 644 1', 'b/ 755', 'b/c 644 2'])
  const one = await unpack(scratch, tar(entries.slice(1)), { strip: false })
  assert.deepEqual(listing(one.dest), ['b/ 755', 'b/c 644 2'])
  const none = await unpack(scratch, Buffer.alloc(10240))
  assert.equal(none.error, undefined)
  assert.deepEqual(listing(none.dest), [])
})

test('unpack: extensions say the name, and a comment for all of the archive says nothing', async () => {
  await using scratch = new Scratch()
  const long = `${'long/'.repeat(30)}name`
  const { error, dest } = await unpack(
    scratch,
    tar([
      pax({ comment: '1234' }, 'g'),
      pax({ path: long, mtime: '1000000000.25', 'SCHILY.xattr.user.x': 'y' }),
      { name: 'short', content: 'x' },
      gnu('L', 'second/name'),
      gnu('K', 'a/link'),
      { name: 'cut', type: '2', link: 'cut' },
      { name: 'big', content: 'x', size: '\x80\0\0\0\0\0\0\0\0\0\0\x01' },
    ]),
  )
  assert.equal(error, undefined)
  assert.equal(readFileSync(join(dest, long), 'utf8'), 'x')
  assert.ok(listing(dest).includes('second/name -> a/link') && listing(dest).includes('big 644 x'))
})

test('unpack: a zip, with programs and links, written by several', async () => {
  await using scratch = new Scratch()
  const folder = join(scratch.path, 'app-1')
  mkdirSync(join(folder, 'b'), { recursive: true })
  writeFileSync(join(folder, 'run'), '#!/bin/sh', { mode: 0o755 })
  writeFileSync(join(folder, 'b/c'), 'x'.repeat(3_000_000))
  symlinkSync('b/c', join(folder, 'link'))
  const want = listing(folder)
  for (const compression of ['deflate', 'store']) {
    const zip = join(scratch.path, 'app.zip')
    const args = ['--format=zip', `--options=zip:compression=${compression}`, '-C', scratch.path, '-cf', zip, 'app-1']
    execFileSync('bsdtar', args)
    const { error, dest } = await unpack(scratch, zip, { title: 'app.zip' })
    assert.equal(error, undefined)
    assert.deepEqual(listing(dest), want)
  }
  // Python knows no links, and writes no modes for what it has from memory.
  const zip = python(
    'z=zipfile.ZipFile(sys.stdout.buffer,"w",zipfile.ZIP_DEFLATED)\nfor n in ["p/a","p/b/c"]: z.writestr(n,"content"*9)',
  )
  const { error, dest } = await unpack(scratch, zip, { title: 'wheel-1.whl' })
  assert.equal(error, undefined)
  assert.deepEqual(listing(dest), [`a 644 ${'content'.repeat(9)}`, 'b/ 755', `b/c 644 ${'content'.repeat(9)}`])
})

const singles: readonly { name: string; title: string; content: Buffer; want: string }[] = [
  { name: 'a program', title: 'tool-linux-amd64', content: Buffer.from('\x7fELF...'), want: 'tool-linux-amd64' },
  { name: 'a compressed program', title: 'tool.gz', content: gzipSync('\x7fELF...'), want: 'tool' },
  { name: 'a short file', title: 'LICENSE', content: Buffer.from('MIT'), want: 'LICENSE' },
  { name: 'an empty file', title: 'empty', content: Buffer.alloc(0), want: 'empty' },
  {
    name: 'a jar',
    title: 'app.jar',
    content: python('zipfile.ZipFile(sys.stdout.buffer,"w").writestr("a","b")'),
    want: 'app.jar',
  },
  { name: 'a library', title: 'libx.a', content: ar([['x.o/', 'object']]), want: 'libx.a' },
]
for (const { name, title, content, want } of singles) {
  test(`unpack: ${name} is a program of its own name`, async () => {
    await using scratch = new Scratch()
    const { error, dest } = await unpack(scratch, content, { title })
    assert.equal(error, undefined)
    const plain = title.endsWith('.gz') ? '\x7fELF...' : content.toString('latin1')
    assert.deepEqual(listing(dest), [`${want} 755 ${plain}`])
  })
}

test('unpack: what is named like an archive and is none is refused', async () => {
  await using scratch = new Scratch()
  for (const title of ['app-1.tar.gz', 'app.tgz', 'app.zip', 'app.deb', 'app.apk', 'app.tar.lz']) {
    for (const content of [Buffer.from('<html>sign in</html>'.repeat(100)), gzipSync('plain text'), Buffer.from('')]) {
      const { error } = await unpack(scratch, content, { title })
      assert.equal(error?.code, 'ARCHIVE_UNSAFE', title)
      assert.match(error?.message ?? '', /can't be unpacked: it is no archive of a known kind/)
    }
  }
})

test('unpack: the data of a Debian package, as dpkg-deb writes it', { skip }, async () => {
  await using scratch = new Scratch()
  const folder = join(scratch.path, 'in')
  mkdirSync(join(folder, 'DEBIAN'), { recursive: true })
  mkdirSync(join(folder, 'usr/bin'), { recursive: true })
  writeFileSync(join(folder, 'usr/bin/tool'), 'program', { mode: 0o755 })
  writeFileSync(
    join(folder, 'DEBIAN/control'),
    'Package: tool\nVersion: 1\nArchitecture: all\nMaintainer: T <t@t>\nDescription: x\n',
  )
  for (const kind of ['gzip', 'xz', 'zstd', 'none']) {
    const deb = join(scratch.path, 'tool.deb')
    execFileSync('dpkg-deb', ['--root-owner-group', `-Z${kind}`, '--build', folder, deb], { stdio: 'ignore' })
    const { error, dest } = await unpack(scratch, deb, { title: 'tool_1_all.deb', worker })
    assert.equal(error, undefined, kind)
    assert.deepEqual(listing(dest), ['usr/ 755', 'usr/bin/ 755', 'usr/bin/tool 755 program'], 'the only folder stays')
    await removeTree(dest)
  }
})

test('unpack: the data of an Alpine package', async () => {
  await using scratch = new Scratch()
  const segment = (...entries: Parameters<typeof tarEntry>[0][]): Buffer =>
    gzipSync(Buffer.concat(entries.map(tarEntry)))
  const apk = Buffer.concat([
    segment({ name: '.SIGN.RSA.dev@example.org-1234.rsa.pub', content: 'signature' }),
    segment(
      { name: '.PKGINFO', content: 'pkgname = tool' },
      { name: '.post-install', mode: 0o755, content: '#!/bin/sh' },
    ),
    gzipSync(
      tar([pax({ 'APK-TOOLS.checksum.SHA1': 'ab' }), { name: 'usr/bin/tool', mode: 0o755, content: 'program' }]),
    ),
  ])
  const { error, dest } = await unpack(scratch, apk, { title: 'tool-1-r0.apk' })
  assert.equal(error, undefined)
  assert.deepEqual(listing(dest), ['usr/ 755', 'usr/bin/ 755', 'usr/bin/tool 755 program'])
})

test('unpack: a root without the tool says which package to add', { skip }, async () => {
  await using scratch = new Scratch()
  const root = join(scratch.path, 'root')
  for (const folder of ['usr/bin', 'dev', 'proc', 'tmp', 'build', 'etc', 'run', 'var'])
    mkdirSync(join(root, folder), { recursive: true })
  // A root with a shell and its libraries, and no xz.
  execFileSync('sh', [
    '-c',
    `for p in /bin/sh /bin/tail /bin/head; do cp $p "$0"/usr/bin/; for l in $(ldd $p | grep -o '/[^ ]*'); do mkdir -p "$0$(dirname $l)"; cp -L $l "$0$l"; done; done; ln -s usr/bin "$0/bin"`,
    root,
  ])
  for (const [kind, wanted] of [
    ['xz', '"xz-utils"'],
    ['bzip2', '"bzip2"'],
    ['lzip', '"lzip"'],
  ] as const) {
    const { error, dest } = await unpack(scratch, piped(kind, ['-c'], app), { root, worker, title: 'app.tar.x' })
    assert.equal(error?.code, 'TOOL_MISSING', error?.message)
    assert.match(error?.message ?? '', new RegExp(`can't unpack app.tar.x: it has no ${kind}`))
    assert.ok(error?.hint?.includes(wanted))
    await removeTree(dest)
  }
})

test('unpack: cancelling ends it', { skip }, async () => {
  await using scratch = new Scratch()
  const signal = AbortSignal.timeout(1)
  await new Promise((resolve) => setTimeout(resolve, 20))
  for (const [archive, more] of [
    [app, {}],
    [piped('xz', ['-c'], app), { worker }],
  ] as const) {
    const { error, dest } = await unpack(scratch, archive, { signal, ...more })
    assert.equal(error?.code, 'CANCELLED')
    await removeTree(dest)
  }
})
