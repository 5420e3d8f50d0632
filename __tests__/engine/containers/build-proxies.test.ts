import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildProxies } from '#engine/containers/docker-build.ts'

test('a Dockerfile gets the proxies of this machine, and never a password', () => {
  let log = ''
  const env = {
    http_proxy: 'http://proxy.lan:3128',
    https_proxy: 'http://joe:s3cret@proxy.lan:3128',
    NO_PROXY: 'localhost,.lan',
    HOME: '/home/joe',
  }
  const given = buildProxies(env, (text) => {
    log += Buffer.from(text)
  })
  assert.deepEqual(given, { http_proxy: 'http://proxy.lan:3128', NO_PROXY: 'localhost,.lan' })
  assert.match(log, /^https_proxy of this machine holds a password/)
  assert.doesNotMatch(log, /s3cret|joe/)
})
