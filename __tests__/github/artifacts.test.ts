import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import { YoeError } from '#engine/errors.ts'
import { Artifacts, artifactName } from '#github/artifacts.ts'
import { type ResultsService, startResultsService } from '../support/results-service.ts'

let dir: string
let service: ResultsService
const log: string[] = []

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'yoe-artifacts-'))
  service = await startResultsService({ dir: join(dir, 'store') })
  // The client reads its address and token from the environment of the process.
  Object.assign(process.env, service.env())
})
after(async () => {
  await service.close()
  rmSync(dir, { recursive: true, force: true })
})
beforeEach(() => {
  service.artifacts.length = 0
  service.intercept = undefined
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

test('a feed comes back as it was, without what is hidden or leads elsewhere', async () => {
  const folder = folderWith({ 'dists/Release': 'r', 'pool/a.deb': 'd', '.git/config': 'x', 'pool/.env': 'x' })
  symlinkSync('/etc/hostname', join(folder, 'pool', 'link'))
  await open().feed('feed-box-base', folder)
  const [copy] = await open().download('feed-', join(dir, 'down'))
  assert.ok(copy !== undefined)
  assert.deepEqual(readdirSync(copy, { recursive: true }).sort(), ['dists', 'dists/Release', 'pool', 'pool/a.deb'])
})

test('a private key in a feed stops the upload', async () => {
  const folder = folderWith({ 'pool/key.asc': '-----BEGIN PGP PRIVATE KEY BLOCK-----' })
  await assert.rejects(
    open().feed('feed', folder),
    (failure) => failure instanceof YoeError && /private key/.test(failure.message),
  )
  assert.deepEqual(service.artifacts, [])
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
