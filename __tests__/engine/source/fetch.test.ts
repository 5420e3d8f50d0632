import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { createFetcher } from '../../../src/engine/source/download.ts'
import { fetchSource, type RemoteSource, type SourceEnvironment } from '../../../src/engine/source/fetch.ts'
import { noMirrors } from '../../../src/engine/source/mirrors.ts'
import { TestRepository } from '../../support/git.ts'
import { litter, Scratch, sha } from '../store/fixture.ts'
import { body, HostileServer, status } from './hostile-server.ts'

const at = { file: 'units/app.star', line: 3, column: 5 }

async function environment(scratch: Scratch, offline = false): Promise<SourceEnvironment> {
  const store = await scratch.store()
  const fetcher = createFetcher({ mirrors: noMirrors, offline, temp: join(store.root, 'tmp'), limits: { backoff: 1 } })
  return { store, fetcher, offline, report: scratch.report }
}

function archiveOf(...urls: string[]): RemoteSource {
  return { kind: 'archive', urls, sha256: sha('content'), at }
}

test('source: an archive is fetched once, from the first address that has it, and then had offline', async () => {
  await using scratch = new Scratch()
  await using server = await HostileServer.start({
    '/app-1.tar.gz?x=1': status(404, 'Gone'),
    '/mirror': body('content'),
  })
  const here = await environment(scratch)
  const source = archiveOf(server.url('/app-1.tar.gz?x=1'), server.url('/mirror'))
  const { archive, title } = await fetchSource(source, here)
  assert.equal(readFileSync(archive, 'utf8'), 'content')
  assert.equal(title, 'app-1.tar.gz')
  const asked = server.asked.length
  assert.equal((await fetchSource(source, await environment(scratch, true))).archive, archive)
  assert.equal(server.asked.length, asked)
  assert.deepEqual(litter(here.store.root), [])
  rmSync(archive)
  await assert.rejects(fetchSource(source, await environment(scratch, true)), { code: 'FETCH_FAILED', hint: /offline/ })
})

test('B15 source: other content is refused at the declaration, with the line to write if it is meant', async () => {
  await using scratch = new Scratch()
  await using server = await HostileServer.start({
    '/x': body('other'),
    '/page': body('<p>', { 'Content-Type': 'text/html; charset=utf-8' }),
  })
  const here = await environment(scratch)
  await assert.rejects(fetchSource(archiveOf(server.url('/x')), here), {
    code: 'DIGEST_MISMATCH',
    at,
    message: new RegExp(
      `x from .*/x is not what was declared\n {2}expected sha256 ${sha('content')}\n {2}got {6}sha256 ${sha('other')}`,
    ),
    hint: `if the new content is meant: sha256 = "${sha('other')}"`,
  })
  await assert.rejects(fetchSource(archiveOf(server.url('/page')), here), { code: 'DIGEST_MISMATCH', hint: /web page/ })
  await assert.rejects(fetchSource(archiveOf(server.url('/none')), here), { code: 'FETCH_FAILED', at })
  assert.ok(!(await here.store.objects.has(sha('other'))))
  assert.deepEqual(litter(here.store.root), [])
})

test('source: who changes version and address, and forgets the digest, is told; other names of one archive are fine', async () => {
  await using scratch = new Scratch()
  await using server = await HostileServer.start({
    '/app-1.tar.gz': body('content'),
    '/v1/app-v1.tgz': body('content'),
    '/app-2.tar.gz': body('other'),
  })
  const here = { ...(await environment(scratch)), buildRoot: join(scratch.path, 'build') }
  await fetchSource(archiveOf(server.url('/app-1.tar.gz')), here)
  const bumped = archiveOf(server.url('/app-2.tar.gz'))
  await assert.rejects(fetchSource(bumped, here), {
    code: 'DIGEST_MISMATCH',
    hint: `if the new content is meant: sha256 = "${sha('other')}"`,
  })
  // Control: what is in the store has this digest, and who only looks there takes it.
  assert.equal(readFileSync((await here.store.objects.path(sha('content'))) ?? '', 'utf8'), 'content')
  await fetchSource(archiveOf(server.url('/v1/app-v1.tgz')), here)
  const asked = server.asked.length
  await fetchSource(archiveOf(server.url('/v1/app-v1.tgz')), here)
  await fetchSource(archiveOf(server.url('/moved.tgz'), server.url('/v1/app-v1.tgz')), here)
  assert.equal(server.asked.length, asked)
  // Gone from everywhere, but here.
  await fetchSource(archiveOf(server.url('/gone.tgz')), here)
  assert.match(scratch.warnings.join(), /gone\.tgz can't be fetched; .* moved\.tgz, which is here/)
})

test('source: a commit that yoe.lock has for a tag, and that is gone, says what to type', async () => {
  await using scratch = new Scratch()
  const origin = new TestRepository(join(scratch.path, 'origin'), { a: '1' })
  const here = await environment(scratch)
  const source = { kind: 'git', url: origin.url, ref: 'v1', refKind: 'tag', commit: '1'.repeat(40), at } as const
  await assert.rejects(fetchSource(source, here), {
    code: 'FETCH_FAILED',
    at,
    hint: 'yoe.lock has this commit for the tag v1; if it has moved: yoe update sources',
  })
  assert.ok(await fetchSource({ ...source, commit: origin.head }, here))
})
