/** Images of Debian's docker-registry, and of one that lies. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { mediaTypes } from '#engine/containers/manifest.ts'
import { parseImage } from '#engine/containers/reference.ts'
import { Registry } from '#engine/containers/registry.ts'
import { YoeError } from '#engine/errors.ts'
import { silent } from '#engine/events.ts'
import { createFetcher } from '#engine/source/download.ts'
import { noMirrors, parseMirrors } from '#engine/source/mirrors.ts'
import { Store } from '#engine/store/store.ts'
import { served } from '../../support/local-server.ts'
import { scratch } from '../../support/project.ts'
import { sha256, testRegistry } from '../../support/registry.ts'

const layers = ['lower', 'upper'].map((text) => gzipSync(Buffer.from(text)))

async function client(t: TestContext, mirrors = noMirrors, folder = scratch(t), offline = false): Promise<Registry> {
  const store = await Store.open(folder)
  const fetcher = createFetcher({ mirrors, offline, temp: join(folder, 'tmp'), limits: { retries: 0 } })
  return new Registry({ fetcher, store, offline, report: silent })
}

function image(text: string, digest?: string) {
  const parsed = parseImage(text)
  assert.ok(parsed)
  return digest === undefined ? parsed : { ...parsed, digest }
}

const platform = (architecture: string, digest: string, size: number, variant?: string) => ({
  mediaType: mediaTypes.dockerManifest,
  digest: `sha256:${digest}`,
  size,
  platform: { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) },
})

async function fails(work: Promise<unknown>, code: string, says: RegExp, hint = /./): Promise<void> {
  await assert.rejects(work, (failure: unknown) => {
    assert.ok(failure instanceof YoeError, String(failure))
    assert.equal(failure.code, code, failure.message)
    assert.match(failure.message, says)
    assert.match(failure.hint ?? '', hint)
    return true
  })
}

test('a tag means a digest, and a digest brings layers of the right architecture, once', async (t) => {
  const server = await testRegistry(t)
  const amd = await server.image('a/tools', '', layers, { config: { Env: ['A=b', 'bad', 7], Cmd: ['x'] } })
  const arm = await server.image('a/tools', '', layers.toReversed(), { architecture: 'arm64' })
  const index = await server.manifest('a/tools', '1', {
    schemaVersion: 2,
    mediaType: mediaTypes.dockerList,
    manifests: [platform('unknown', arm, 1), platform('arm64', arm, 1, 'v8'), platform('amd64', amd, 1)],
  })
  const folder = scratch(t)
  const registry = await client(t, noMirrors, folder)
  const name = `${server.host}/a/tools:1`
  assert.equal(await registry.digestOf(image(name)), index)
  const pulled = await registry.pull(image(name, index), 'x86_64')
  assert.deepEqual(
    pulled.layers.map((path) => readFileSync(path)),
    layers,
  )
  assert.deepEqual(pulled.config.settings, { env: ['A=b'], entrypoint: [], cmd: ['x'], workingDir: '', user: '' })
  const other = await registry.pull(image(name, index), 'arm64')
  assert.deepEqual(other.layers, pulled.layers.toReversed())
  const offline = await client(t, noMirrors, folder, true)
  assert.deepEqual((await offline.pull(image(name, index), 'x86_64')).layers, pulled.layers)
  await fails(offline.digestOf(image(name)), 'FETCH_FAILED', /works offline/)
  await fails(registry.pull(image(name, index), 'riscv64'), 'UNSATISFIABLE', /has nothing for riscv64/, /amd64, arm64/)
  await fails(registry.pull(image(name, arm), 'x86_64'), 'UNSATISFIABLE', /has nothing for x86_64/)
  await fails(registry.digestOf(image(`${server.host}/a/tools:2`)), 'FETCH_FAILED', /HTTP 404/, /YOE_MIRRORS/)
})

test('whoever asks for a token gets what the registry hands out, and mirrors come first', async (t) => {
  const asked: string[] = []
  const realm = await serve(t, ({ url = '' }, response) => {
    asked.push(url)
    response.end(JSON.stringify({ token: 'reader' }))
  })
  const server = await testRegistry(t, `auth: {silly: {realm: "http://${realm}/token", service: "registry"}}\n`)
  const digest = await server.image('library/golang', '1.26', layers)
  const registry = await client(t, parseMirrors(`https://registry-1.docker.io/=http://${server.host}/`))
  assert.equal(await registry.digestOf(image('golang:1.26')), digest)
  assert.equal((await registry.pull(image('golang:1.26', digest), 'x86_64')).layers.length, 2)
  // The same token serves for all of it.
  assert.deepEqual(asked, ['/token?service=registry&scope=repository%3Alibrary%2Fgolang%3Apull'])
})

test('a token goes to nobody else, and is not asked for in plain text by one who speaks https', async (t) => {
  const seen: (string | undefined)[] = []
  const elsewhere = await serve(t, ({ headers }, response) => {
    seen.push(headers.authorization)
    response.end('{}')
  })
  let challenge = `Bearer realm="http://${elsewhere}/t",service="x"`
  const host = await serve(t, ({ headers }, response) => {
    if (headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': challenge }).end()
    else response.writeHead(307, { location: `http://${elsewhere}/blob` }).end()
  })
  const registry = await client(t)
  await fails(registry.digestOf(image(`${host}/a:1`)), 'FETCH_FAILED', /HTTP 401/, /private/)
  challenge = `Bearer realm="file:///etc/passwd"`
  await fails((await client(t)).digestOf(image(`${host}/a:1`)), 'FETCH_FAILED', /HTTP 401/)
  challenge = 'Basic realm="x"'
  await fails((await client(t)).digestOf(image(`${host}/a:1`)), 'FETCH_FAILED', /HTTP 401/)
  const asking = await serve(t, ({ url = '', headers }, response) => {
    if (url.startsWith('/t')) response.end('{"token":"secret"}')
    else if (headers.authorization === undefined)
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${asking}/t"` }).end()
    else response.writeHead(307, { location: `http://${elsewhere}/blob` }).end()
  })
  await (await client(t)).digestOf(image(`${asking}/a:1`))
  assert.deepEqual([...new Set(seen)], [undefined])
})

/** What a lying registry answers for a digest. */
const documents: Readonly<Record<string, readonly [document: object | string, code: string, says: RegExp]>> = {
  'no JSON': ['<html>', 'ARCHIVE_UNSAFE', /no JSON/],
  'an outdated manifest': [{ schemaVersion: 1, fsLayers: [] }, 'ARCHIVE_UNSAFE', /schema 1/],
  'an index in an index': [
    { schemaVersion: 2, manifests: [{ ...platform('amd64', sha256('x'), 9), mediaType: mediaTypes.ociIndex }] },
    'ARCHIVE_UNSAFE',
    /an index that leads to/,
  ],
  'an index of thousands': [
    { schemaVersion: 2, manifests: Array(5000).fill(platform('arm64', sha256('x'), 9)) },
    'ARCHIVE_UNSAFE',
    /an index of 5000 manifests/,
  ],
  'an index of nothing': [{ schemaVersion: 2, manifests: [] }, 'UNSATISFIABLE', /has nothing for x86_64/],
  'a digest that is a path': [
    { schemaVersion: 2, config: { mediaType: '', size: 1, digest: 'sha256:../../x' }, layers: [] },
    'ARCHIVE_UNSAFE',
    /the digest/,
  ],
  'a negative size': [
    { schemaVersion: 2, config: { mediaType: '', size: -1, digest: `sha256:${sha256('x')}` }, layers: [] },
    'ARCHIVE_UNSAFE',
    /a part without type or size/,
  ],
  'a thousand layers': [
    {
      schemaVersion: 2,
      config: { mediaType: '', size: 1, digest: `sha256:${sha256('x')}` },
      layers: Array(1000).fill({ mediaType: '', size: 1, digest: `sha256:${sha256('x')}` }),
    },
    'ARCHIVE_UNSAFE',
    /1000 layers/,
  ],
  'layers of a terabyte': [
    {
      schemaVersion: 2,
      config: { mediaType: '', size: 1, digest: `sha256:${sha256('x')}` },
      layers: [{ mediaType: '', size: 2 ** 40, digest: `sha256:${sha256('x')}` }],
    },
    'ARCHIVE_UNSAFE',
    /bytes of layers/,
  ],
}

for (const [what, [document, code, says]] of Object.entries(documents)) {
  test(`refused: ${what}`, async (t) => {
    const text = typeof document === 'string' ? document : JSON.stringify(document)
    const host = await serve(t, (_, response) => response.end(text))
    await fails((await client(t)).pull(image(`${host}/a:1`, sha256(text)), 'x86_64'), code, says)
  })
}

test('other bytes than a digest says are refused, and so are more than were announced', async (t) => {
  const server = await testRegistry(t)
  const digest = await server.image('a', '1', layers)
  /** The same registry, but for layers. */
  const lying = async (lie: (bytes: Buffer) => Buffer): Promise<string> =>
    serve(t, async ({ url = '', headers }, response) => {
      const answer = await fetch(`http://${server.host}${url}`, { headers: { accept: headers.accept ?? '' } })
      const bytes = Buffer.from(await answer.arrayBuffer())
      response.end(layers.some((layer) => layer.equals(bytes)) ? lie(bytes) : bytes)
    })
  const pull = async (host: string) => (await client(t)).pull(image(`${host}/a:1`, digest), 'x86_64')
  await fails(pull(await lying((bytes) => Buffer.from(bytes).fill(1))), 'DIGEST_MISMATCH', /expected sha256 \w+\n +got/)
  await fails(pull(await lying((bytes) => Buffer.concat([bytes, bytes]))), 'FETCH_FAILED', /were expected/)
  // The naive way, a tag and no digest, takes them.
  const naive = await fetch(`http://${await lying((bytes) => Buffer.from(bytes).fill(1))}/v2/a/manifests/1`)
  assert.ok(naive.ok)
  await pull(server.host)
})

async function serve(
  t: TestContext,
  answer: (request: IncomingMessage, response: Parameters<RequestListener>[1]) => unknown,
): Promise<string> {
  return new URL(await served(t, createServer(answer))).host
}
