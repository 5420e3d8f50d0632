import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { scratch } from '../project.ts'
import { apk2, inRoot } from './apk.ts'
import { genuineRepository } from './material.ts'
import { alpineMirror } from './mirror.ts'
import { genuineKeys } from './roots.ts'

test('the real apk 2 compares versions', async () => {
  const { code, stdout } = await apk2(['version', '-t', '1.2_rc1', '1.2'])
  assert.deepEqual([code, stdout.trim()], [0, '<'])
})

test('the real apk 2 installs genuine packages from a served mirror, and what it installed runs', async (t) => {
  const { url, keys, requests } = await alpineMirror(t)
  const root = scratch(t)
  const added = await apk2(['add', '--initdb', '--no-cache', 'alpine-base'], {
    root,
    keys,
    repositories: [`${url}/v3.19/main`],
  })
  assert.equal(added.code, 0, added.stderr)
  assert.match(added.stdout, /OK: 10 MiB in 25 packages/)
  assert.equal(requests[0], '/v3.19/main/x86_64/APKINDEX.tar.gz')
  const release = await inRoot(root, ['cat', '/etc/alpine-release'])
  assert.equal(release.stdout, '3.19.1\n')
  const unsigned = await apk2(['add', '--initdb', 'openssh'], {
    root: scratch(t),
    repositories: [genuineRepository],
  })
  assert.match(unsigned.stderr, /UNTRUSTED signature/)
})

test('the real apk 2 resolves over the complete indexes of a release', async (t) => {
  const { url, keys } = await alpineMirror(t)
  const root = scratch(t)
  await apk2(['add', '--initdb'], { root, repositories: [] })
  const { code, stdout, stderr } = await apk2(['add', '--no-cache', '--simulate', 'build-base', 'nginx'], {
    root,
    keys,
    repositories: [`${url}/full/v3.19/main`, `${url}/full/v3.19/community`],
  })
  assert.equal(code, 0, stderr)
  assert.match(stdout, /Installing gcc \(13\.2\.1_git20231014-r0\)/)
})

test('every genuine package verifies with the genuine keys', async () => {
  const folder = `${genuineRepository}/x86_64`
  const packages = readdirSync(folder).filter((name) => name.endsWith('.apk'))
  assert.equal(packages.length, 100)
  const options = { keys: await genuineKeys(), reads: [folder], cwd: folder }
  const { code, stdout } = await apk2(['verify', ...packages], options)
  assert.equal(code, 0, stdout)
})
