/** Builds whose sources can't be had, by the command line, in the real sandbox. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { served } from '../support/local-server.ts'
import { sleep, until } from '../support/processes.ts'
import { debianProject, type Texts, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'
import { clean } from '../support/shown-errors.ts'

const cache = sharedCache()
/** An archive with one file in one folder. */
const archive = execFileSync('bash', [
  '-c',
  'd=$(mktemp -d) && mkdir $d/a-1 && echo hello >$d/a-1/hello && tar -C $d --sort=name --owner=0 --group=0 --mtime=@0 -c a-1 | gzip -n; rm -rf $d',
])

/** A server of archives, good and bad. */
async function upstream(t: TestContext) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    asked.push(path)
    if (path === '/a-1.tar.gz') response.end(archive)
    else if (path === '/page.tar.gz')
      response.setHeader('content-type', 'text/html').end('<!DOCTYPE html><html>sign in</html>')
    else if (path === '/stalled.tar.gz') {
      response.writeHead(200, { 'content-length': '1000000' })
      response.write('x'.repeat(1000))
    } else {
      response.statusCode = 404
      response.end('no')
    }
  })
  const origin = await served(t, server)
  const sourced = (path: string, sum: string): Texts => ({
    'PROJECT.star': debianProject,
    'units/u.star': `unit(
    name = "uu",
    version = "1",
    source = "${origin}${path}",
    sha256 = "${sum}",
    license = "MIT",
    qa_skip = {"license": "its archive is made here"},
    tasks = [task("install", run = "install -D hello $DESTDIR/etc/hello")],
)
`,
  })
  return { asked, origin, sourced }
}

test('an archive with another digest: the right one to paste, and pasted it builds', async (t) => {
  const { sourced } = await upstream(t)
  const project = testProject(t, sourced('/a-1.tar.gz', '0'.repeat(64)), cache)
  const ran = await project.yoe(['build', 'uu'])
  clean(ran)
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /error\[DIGEST_MISMATCH\]: units\/u\.star:1: /)
  const pasted = /sha256 = "([0-9a-f]{64})"/.exec(ran.stderr)?.[1] ?? ''
  assert.equal(pasted, createHash('sha256').update(archive).digest('hex'))
  project.write(sourced('/a-1.tar.gz', pasted))
  const mended = await project.yoe(['build', 'uu'])
  assert.equal(mended.code, 0, mended.stderr)
})

test('a web page instead of an archive is named as one, and its digest is not offered', async (t) => {
  const { sourced } = await upstream(t)
  const ran = await testProject(t, sourced('/page.tar.gz', '1'.repeat(64)), cache).yoe(['build', 'uu'])
  clean(ran)
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /error\[DIGEST_MISMATCH\]: units\/u\.star:1: /)
  assert.ok(!ran.stderr.includes('sha256 = "'), ran.stderr)
})

test('an archive that is not there: the address, asked once', async (t) => {
  const { asked, origin, sourced } = await upstream(t)
  const ran = await testProject(t, sourced('/gone.tar.gz', '2'.repeat(64)), cache).yoe(['build', 'uu'])
  clean(ran)
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /error\[FETCH_FAILED\]: units\/u\.star:1: /)
  assert.match(ran.stderr, new RegExp(`${origin}/gone\\.tar\\.gz.*404`, 's'))
  assert.equal(asked.filter((path) => path === '/gone.tar.gz').length, 1)
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} while a server stalls: over at once, exit 1, nothing half-fetched`, async (t) => {
    const { asked, sourced } = await upstream(t)
    const project = testProject(t, sourced('/stalled.tar.gz', '3'.repeat(64)), cache)
    const running = project.start(['build', 'uu'])
    await until('the server is asked', () => asked.includes('/stalled.tar.gz'))
    await sleep(100)
    const start = performance.now()
    running.child.kill(signal)
    const ran = await running.ended
    clean(ran)
    assert.ok(performance.now() - start < 3000, `${performance.now() - start} ms`)
    assert.equal(ran.code, 1, ran.stderr)
    assert.match(ran.stderr, /CANCELLED/)
  })
}
