import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, test } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import { YoeError } from '#engine/errors.ts'
import { Artifacts, artifactName } from '#github/artifacts.ts'
import { serviceOfFile } from '../support/service-of-file.ts'

const log: string[] = []

const { service, dir } = await serviceOfFile()
// The client reads its address and token from the environment of the process.
Object.assign(process.env, service.env())
beforeEach(() => {
  log.length = 0
})

const open = (): Artifacts =>
  new Artifacts('https://github.com/octo/widgets/actions/runs/1', dir, (text) => log.push(text))

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(dir, 'feed-'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

test('an image travels compressed and is the same afterwards', async () => {
  const path = join(dir, 'disk.img')
  const bytes = Buffer.concat([Buffer.from('boot'), Buffer.alloc(5_000_000), Buffer.from('end')])
  writeFileSync(path, bytes)
  const { name, url } = await open().image('box/base', path)
  const [row] = service.artifacts
  assert.equal(name, 'image-box-base.img.zst')
  assert.equal(url, `https://github.com/octo/widgets/actions/runs/1/artifacts/${row?.id}`)
  const stored = readFileSync(service.blobPath(row?.blob ?? ''))
  assert.ok(stored.length < 10_000)
  assert.ok(zstdDecompressSync(stored).equals(bytes))
  assert.match(log.join(''), /^::group::Upload image-box-base\.img\.zst\n::endgroup::\n$/)
  assert.deepEqual(
    readdirSync(dir).filter((entry) => entry.startsWith('yoe-image-')),
    [],
  )
})

// faults.md H6
test('a feed comes back as it was, and nothing that is no part of one is uploaded', async () => {
  const feed = [
    'index.html',
    'product.gpg',
    'product.asc',
    'debian/dists/trixie/InRelease',
    'debian/dists/trixie/Release.gpg',
    'debian/dists/trixie/main/binary-amd64/Packages.xz',
    `debian/dists/trixie/main/binary-amd64/by-hash/SHA256/${'a'.repeat(64)}`,
    'debian/pool/a/app_1.0-r0_amd64.deb',
    'alpine/x86_64/APKINDEX.tar.gz',
  ]
  const strange = [
    ...['.git/config', 'debian/.env', '.netrc', '.ssh/id_ed25519', 'debian/pool/.app.deb', '.npmrc'],
    ...['id_rsa', 'keys/feed.key', 'local.star', 'debian/pool/core', 'debian/pool/build.log', 'src/main.c', 'x.pem'],
    ...['debian/pool/deb', 'notes.html', 'debian/dists/trixie/Release.bak', 'debian/pool/a\nb.deb', 'by-hash/SHA256/x'],
  ]
  const folder = folderWith(Object.fromEntries([...feed, ...strange].map((name) => [name, name])))
  symlinkSync('/etc/hostname', join(folder, 'debian', 'link.deb'))
  await open().feed('feed-box-base', folder)
  const [copy] = await open().download('feed-', join(dir, 'down'))
  assert.ok(copy !== undefined)
  const files = readdirSync(copy, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(copy.length + 1))
  assert.deepEqual(files.sort(), feed.toSorted())
  assert.match(log.join(''), /not uploaded, being no part of a feed: [^\n]*, …\n/)
  // The control: hiding dot files alone, as others do, lets most of it through.
  const naive = strange.filter((name) => !name.split('/').some((part) => part.startsWith('.')))
  assert.ok(naive.length > 10)
})

const secrets = [
  '-----BEGIN PGP PRIVATE KEY BLOCK-----',
  '-----BEGIN OPENSSH PRIVATE KEY-----',
  '-----BEGIN RSA PRIVATE KEY-----',
  'ed25519-private:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=',
  `token ghs_${'a'.repeat(36)} `,
  `github_pat_${'a1_'.repeat(20)}`,
  'AKIAIOSFODNN7EXAMPLE',
]

test('a secret in a file of a feed stops the upload, wherever in the file it is', async () => {
  for (const secret of secrets)
    for (const before of ['', `${'x'.repeat(65_530)}\n`, `${'y'.repeat(300_000)}\n`])
      await assert.rejects(
        open().feed('feed', folderWith({ 'product.asc': `${before}${secret}\nmore` })),
        (failure) =>
          failure instanceof YoeError &&
          failure.code === 'PUBLISH_FAILED' &&
          /product\.asc in the feed holds/.test(failure.message) &&
          !failure.message.includes(secret),
      )
  assert.deepEqual(service.artifacts, [])
})

test('a report and a serial log are uploaded without secrets and without where the runner keeps things', async () => {
  const redactions = [
    ['s3cr3t-value', '***'],
    ['/home/somebody/work', '.'],
    ['/home/somebody', '~'],
    ['', '***'],
  ] as const
  const path = join(folderWith({ 'serial.log': '' }), 'serial.log')
  writeFileSync(
    path,
    `login: s3cr3t-value\n/home/somebody/work/x /home/somebody/.ssh\n${secrets.join('\n')}\nthe end\n`,
  )
  await new Artifacts(
    'https://github.com/o/r/actions/runs/1',
    dir,
    (text) => log.push(text),
    undefined,
    redactions,
  ).text('serial-x', path)
  const [copy] = await open().download('serial-x', join(dir, 'serial'))
  const text = readFileSync(join(copy ?? '', 'serial.log'), 'utf8')
  assert.match(text, /^login: \*\*\*\n\.\/x ~\/\.ssh\n/)
  for (const secret of ['s3cr3t', 'somebody', ...secrets.slice(3)]) assert.ok(!text.includes(secret), secret)
  assert.doesNotMatch(text, /PRIVATE KEY/)
  assert.match(readFileSync(path, 'utf8'), /s3cr3t/, 'what is on the runner stays')
})

test('a job that runs again replaces what it had uploaded', async () => {
  await open().feed('feed-a', folderWith({ 'pool/a.deb': 'first' }))
  await open().feed('feed-a', folderWith({ 'pool/a.deb': 'second' }))
  const [copy] = await open().download('feed-a', join(dir, 'again'))
  assert.equal(readFileSync(join(copy ?? '', 'pool/a.deb'), 'utf8'), 'second')
  assert.equal(service.artifacts.length, 1)
})

test('a failed upload says which, and shows no signature', async () => {
  service.intercept = (what) => (what.startsWith('PUT ') ? { status: 403, body: {} } : undefined)
  await assert.rejects(open().text('report-a', join(folderWith({ 'r.json': '{}' }), 'r.json')), (failure) => {
    assert.ok(failure instanceof YoeError && failure.code === 'PUBLISH_FAILED' && /report-a/.test(failure.message))
    assert.doesNotMatch(failure.message, /sig=/)
    return true
  })
})

test('names', () => {
  assert.equal(artifactName('feed', 'box/base:1"<>|*?\r\n\\x'), 'feed-box-base-1-x')
})

test('unzip agrees', async () => {
  await open().feed('feed-z', folderWith({ 'pool/a.deb': 'content' }))
  const zip = service.blobPath(service.artifacts[0]?.blob ?? '')
  const out = join(dir, 'zip')
  mkdirSync(out)
  execFileSync('python3', ['-m', 'zipfile', '-e', zip, out])
  assert.equal(readFileSync(join(out, 'pool/a.deb'), 'utf8'), 'content')
})
