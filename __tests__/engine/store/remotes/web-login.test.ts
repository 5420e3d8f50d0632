import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { WebStore } from '../../../../src/engine/store/remotes/http.ts'
import { loginIn, webLogin } from '../../../../src/engine/store/remotes/web-login.ts'
import { served, webServer } from '../../../support/local-server.ts'
import { scratch } from '../../../support/project.ts'
import { Scratch, someHash } from '../fixture.ts'
import { exchange } from './backends.ts'
import { cacheOf, publish } from './machines.ts'

const basic = (login: string): string => `Basic ${Buffer.from(login).toString('base64')}`
const secret = 'a-password-that-nobody-may-see'

const netrcs: readonly { says: string; text: string; login: string | undefined }[] = [
  { says: 'one line', text: `machine cache.lan login ci password ${secret}`, login: `ci:${secret}` },
  { says: 'several lines', text: `machine cache.lan\n  login ci\n\tpassword ${secret}\n`, login: `ci:${secret}` },
  { says: 'another machine', text: `machine other.lan login ci password ${secret}`, login: undefined },
  { says: 'the second', text: `machine a login a password a\nmachine cache.lan login b password b`, login: 'b:b' },
  { says: 'the first of two', text: 'machine cache.lan password a\nmachine cache.lan password b', login: ':a' },
  { says: 'any machine', text: `default login ci password ${secret}`, login: undefined },
  { says: 'quotes', text: 'machine cache.lan login ci password "a \\"b\\" c"', login: 'ci:a "b" c' },
  { says: 'a word as a name', text: 'machine cache.lan login machine password password', login: 'machine:password' },
  { says: 'a comment', text: '# machine cache.lan login x password x\nmachine a login a password a', login: undefined },
  {
    says: 'a macro',
    text: 'macdef init\nmachine cache.lan login x password x\n\nmachine cache.lan login ci password y',
    login: 'ci:y',
  },
  { says: 'capitals', text: 'machine CACHE.lan login ci password y', login: 'ci:y' },
  { says: 'no password', text: 'machine cache.lan login ci', login: undefined },
]
for (const { says, text, login } of netrcs)
  test(`netrc: ${says}`, () => {
    assert.equal(loginIn(text, 'cache.lan'), login)
  })

/** A home with a netrc. */
function home(t: TestContext, text: string, mode = 0o600): string {
  const folder = scratch(t)
  writeFileSync(join(folder, '.netrc'), text)
  chmodSync(join(folder, '.netrc'), mode)
  return folder
}

const shown: readonly { what: string; url: string; auth?: string; netrc?: string; sent: string | undefined }[] = [
  { what: 'a token', url: 'https://cache.lan/', auth: 'cache.lan=abc', sent: 'Bearer abc' },
  { what: 'a user', url: 'https://cache.lan/x/', auth: `cache.lan=ci:${secret}`, sent: basic(`ci:${secret}`) },
  { what: 'one of several', url: 'https://b.lan/', auth: 'a.lan=1 b.lan=2=\nc.lan=3', sent: 'Bearer 2=' },
  { what: 'another port', url: 'https://cache.lan:8443/', auth: 'cache.lan=abc', sent: undefined },
  { what: 'its port', url: 'https://cache.lan:8443/', auth: 'cache.lan:8443=abc', sent: 'Bearer abc' },
  { what: 'another host', url: 'https://evil.lan/', auth: 'cache.lan=abc', sent: undefined },
  { what: 'a name that ends so', url: 'https://evil-cache.lan/', auth: 'cache.lan=abc', sent: undefined },
  { what: 'plain http', url: 'http://cache.lan/', auth: 'cache.lan=abc', sent: undefined },
  { what: 'plain http, netrc', url: 'http://c.lan/', netrc: 'machine c.lan login a password b', sent: undefined },
  { what: 'this machine', url: 'http://localhost:80/', auth: 'localhost=abc', sent: 'Bearer abc' },
  { what: 'this machine by number', url: 'http://127.0.0.1:8/', auth: '127.0.0.1:8=abc', sent: 'Bearer abc' },
  { what: 'what looks like it', url: 'http://127.0.0.1.evil.lan/', auth: '127.0.0.1.evil.lan=abc', sent: undefined },
  { what: 'a netrc', url: 'https://c.lan:8443/', netrc: 'machine c.lan login a password b', sent: basic('a:b') },
  {
    what: 'the variable first',
    url: 'https://c.lan/',
    auth: 'c.lan=abc',
    netrc: 'machine c.lan login a password b',
    sent: 'Bearer abc',
  },
]
for (const { what, url, auth, netrc = '', sent } of shown)
  test(`web cache: who asks is shown to the host that it is meant for: ${what}`, async (t) => {
    const env = { HOME: home(t, netrc), ...(auth === undefined ? {} : { YOE_HTTP_CACHE_AUTH: auth }) }
    assert.equal((await webLogin(new URL(url), env)).authorization, sent)
  })

test('web cache: a netrc that others may read is refused, if it has something to say', async (t) => {
  const HOME = home(t, `machine c.lan login a password ${secret}`, 0o644)
  await assert.rejects(webLogin(new URL('https://c.lan/'), { HOME }), (failure: Error) => {
    assert.match(failure.message, /other users of this machine may read it/)
    return !failure.message.includes(secret)
  })
  assert.equal((await webLogin(new URL('https://other.lan/'), { HOME })).authorization, undefined)
})

test('web cache: a variable that can not be read is told without what it holds', async () => {
  await assert.rejects(webLogin(new URL('https://c.lan/'), { YOE_HTTP_CACHE_AUTH: `a=b ${secret}` }), {
    code: 'FETCH_FAILED',
    message: 'YOE_HTTP_CACHE_AUTH: entry 2 is not HOST=TOKEN or HOST=USER:PASSWORD',
  })
})

test('web cache: a server that wants a password gives what it has to who knows it; others get one warning', async (t) => {
  await using machines = new Scratch()
  const folder = join(scratch(t), 'served')
  mkdirSync(folder)
  const url = await webServer(t, folder, `reader:${secret}`)
  const open = (env: Readonly<Record<string, string>>) =>
    new WebStore({ url, exchange: exchange(), env, temp: () => join(machines.path, 'entry'), title: 'web' })
  const nobody = { HOME: scratch(t) }
  const reader = { HOME: home(t, `machine 127.0.0.1 login reader password ${secret}`) }
  const wrong = { ...nobody, YOE_HTTP_CACHE_AUTH: `${new URL(url).host}=reader:wrong-${secret}` }
  await publish(machines, { open: () => open(reader), fileOf: (name) => join(folder, name) })

  const good = await cacheOf(machines, 'good', [open(reader)])
  assert.equal((await good.cache.restore('x86_64', someHash))?.from, 'web')
  assert.deepEqual(machines.warnings, [])
  for (const [who, env] of Object.entries({ nobody, wrong })) {
    const { cache } = await cacheOf(machines, who, [open(env)])
    assert.equal(await cache.restore('x86_64', someHash), undefined)
    assert.equal(await cache.restore('x86_64', '0'.repeat(64)), undefined)
  }
  assert.equal(machines.warnings.length, 2)
  const told = JSON.stringify(machines.events)
  assert.match(told, /HTTP 401/)
  assert.match(told, /machine 127\.0\.0\.1 login … password … in ~\/\.netrc/)
  assert.match(told, /does not take what/)
  assert.ok(!told.includes(secret) && !told.includes(basic(`reader:${secret}`)))
})

test('B4 web cache: a server that is led to learns nothing of who asks', async (t) => {
  const seen: (string | undefined)[] = []
  const other = await served(
    t,
    createServer((request, answer) => {
      seen.push(request.headers.authorization)
      answer.end('x')
    }),
  )
  const url = await served(
    t,
    createServer((request, answer) => {
      seen.push(request.headers.authorization)
      answer.writeHead(302, { location: `${other}${request.url}` }).end()
    }),
  )
  const env = { YOE_HTTP_CACHE_AUTH: `${new URL(url).host}=abc`, HOME: scratch(t) }
  const temp = () => join(scratch(t), 'entry')
  const store = new WebStore({ url: `${url}/`, exchange: exchange(), env, temp, title: 'web' })
  await store.has(['units/x86_64/a'])
  await store.get('units/x86_64/a', async () => 'read')
  assert.deepEqual(seen, ['Bearer abc', undefined, 'Bearer abc', undefined])
})
