import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test from 'node:test'
import { Exchange } from '../../../../src/engine/source/exchange.ts'
import { RepositoryStore } from '../../../../src/engine/store/remotes/oci.ts'
import { RepositoryRequests } from '../../../../src/engine/store/remotes/oci-requests.ts'
import { served } from '../../../support/local-server.ts'
import { scratch } from '../../../support/project.ts'
import { testRegistry } from '../../../support/registry.ts'

const fill = (text: string) => async (path: string) => writeFileSync(path, text)
const textOf = async (path: string) => readFileSync(path, 'utf8')

test("oci: entries are artifacts of Debian's registry", async (t) => {
  const { host } = await testRegistry(t)
  const store = storeAt(scratch(t), `${host}/acme/cache`, {})
  const hash = createHash('sha256').update('some unit').digest('hex')
  const name = `units/x86_64/${hash}`
  assert.equal(await store.get(name, textOf), undefined)
  assert.deepEqual(await all(store.list('units/')), [])
  assert.equal(await store.put(name, fill('one')), 'saved')
  assert.equal(await store.put(name, fill('two')), 'exists')
  assert.equal(await store.get(name, textOf), 'one')
  assert.equal(await store.put(name, fill('two'), { replace: true }), 'saved')
  assert.equal(await store.get(name, textOf), 'two')
  const many = Array.from({ length: 40 }, (_, index) => `units/x86_64/${index}`)
  assert.deepEqual([...(await store.has([name, ...many]))], [name])
  assert.deepEqual([...(await store.has([name, 'units/x86_64/0']))], [name])
  assert.deepEqual(await all(store.list('units/x86_64/')), [name])
  assert.equal(await store.put('odd/name.with.dots', fill('x')), 'saved')
  assert.equal(await store.get('odd/name.with.dots', textOf), 'x')
  await store.delete(name)
  await store.delete(name)
  assert.equal(await store.get(name, textOf), undefined)
})

test('oci: who may is found where docker login left it, asked for once, and shown to nobody else', async (t) => {
  const { host } = await testRegistry(t)
  const seen: string[] = []
  const login = 'robot:a-Secret-that-nobody-may-see'
  // Stands between: asks for a token, as hosted registries do, and passes on what comes with one.
  const gate = createServer((request, answer) => {
    const { authorization = '' } = request.headers
    const at = `127.0.0.1:${addressOf(gate)}`
    seen.push(request.url?.split('?')[0] ?? '')
    if (request.url?.startsWith('/token') === true) {
      const good = authorization === `Basic ${Buffer.from(login).toString('base64')}`
      answer.writeHead(good ? 200 : 401).end(JSON.stringify({ token: 'a-token' }))
    } else if (authorization !== 'Bearer a-token') {
      const challenge = `Bearer realm="http://${at}/token",service="gate"`
      answer.writeHead(401, { 'www-authenticate': challenge }).end()
    } else if (request.url?.includes('/manifests/') === true) {
      const { accept = '' } = request.headers
      void fetch(`http://${host}${request.url}`, { headers: { accept } }).then(async (found) =>
        answer.writeHead(found.status).end(await found.text()),
      )
    } else {
      answer.writeHead(307, { location: `http://${host}${request.url}` }).end()
    }
  })
  const folder = scratch(t)
  const at = new URL(await served(t, gate)).host
  mkdirSync(join(folder, 'docker'))
  const auths = { [at]: { auth: Buffer.from(login).toString('base64') } }
  writeFileSync(join(folder, 'docker', 'config.json'), JSON.stringify({ auths }))
  await storeAt(folder, `${host}/acme/cache`, {}).put('units/a/b', fill('one'))
  const store = storeAt(folder, `${at}/acme/cache`, { DOCKER_CONFIG: join(folder, 'docker') })
  assert.equal(await store.get('units/a/b', textOf), 'one')
  assert.equal(seen.filter((path) => path === '/token').length, 1)
  const nobody = storeAt(folder, `${at}/acme/cache`, { DOCKER_CONFIG: join(folder, 'none') })
  await assert.rejects(nobody.get('units/a/b', textOf), (failure: Error) => {
    assert.match(failure.message, /HTTP 401/)
    assert.doesNotMatch(failure.message, /Secret|a-token/)
    return 'hint' in failure && String(failure.hint).includes(`docker login ${at}`)
  })
})

function addressOf(server: ReturnType<typeof createServer>): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function storeAt(folder: string, image: string, env: Record<string, string>): RepositoryStore {
  let count = 0
  const requests = new RepositoryRequests({ image, exchange: new Exchange(), env, push: true })
  return new RepositoryStore({
    requests,
    image,
    temp: () => join(folder, `entry-${process.hrtime.bigint()}-${count++}`),
    title: 'team',
  })
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}
