import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import { freePort, mergePorts, parsePort, requireFreePorts } from '../../../src/bsp/qemu/ports.ts'

const outcome = (work: () => unknown): string => {
  try {
    return JSON.stringify(work())
  } catch (error) {
    return error instanceof YoeError ? `${error.code} ${error.message}` : String(error)
  }
}

for (const [text, want] of [
  ['8080:80', '{"host":8080,"guest":80}'],
  ['0:80', 'USAGE "0:80" is no port forward'],
  ['70000:80', 'USAGE "70000:80" is no port forward'],
  ['80', 'USAGE "80" is no port forward'],
  ['0.0.0.0:80:80', 'USAGE "0.0.0.0:80:80" is no port forward'],
  ['80:80,hostfwd=tcp::1-:1', 'USAGE "80:80,hostfwd=tcp::1-:1" is no port forward'],
] as const)
  test(`parsePort: ${text}`, () =>
    assert.equal(
      outcome(() => parsePort(text)),
      want,
    ))

test('an entry for a forwarded guest port replaces it, any other is appended', () => {
  const merged = mergePorts(
    [
      { host: 2222, guest: 22 },
      { host: 8080, guest: 80 },
    ],
    [{ host: 9000, guest: 9000 }],
    [{ host: 12222, guest: 22 }],
  )
  assert.deepEqual(
    merged.map(({ host, guest }) => `${host}:${guest}`),
    ['12222:22', '8080:80', '9000:9000'],
  )
})

test('a port that is taken is named, with a flag that helps', async () => {
  const port = await freePort()
  const server = createServer().listen(port, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  try {
    await assert.rejects(requireFreePorts([{ host: port, guest: 22 }]), (error) => {
      assert.ok(error instanceof YoeError)
      assert.equal(error.code, 'PORT_IN_USE')
      assert.match(error.message, new RegExp(`port ${port} .* 22 `))
      const flag = /--port (\d+):22$/.exec(error.hint ?? '')?.[1]
      assert.ok(flag !== undefined && Number(flag) !== port, error.hint)
      return true
    })
  } finally {
    server.close()
  }
  await requireFreePorts([{ host: port, guest: 22 }])
})

test('two forwards of one host port are refused before anything starts', async () => {
  const host = await freePort()
  await assert.rejects(
    requireFreePorts([
      { host, guest: 22 },
      { host, guest: 80 },
    ]),
    (error) => error instanceof YoeError && error.code === 'USAGE' && error.message.includes(`port ${host}`),
  )
})
