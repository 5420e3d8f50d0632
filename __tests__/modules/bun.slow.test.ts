/** Bun, whose program npm carries, and an application in TypeScript with a package of npm. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Texts, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'
import { builtTwice, contents, failing, field, fileOf, packageOf } from './built.ts'
import { bun } from './script-apps.ts'

const cache = sharedCache()

test('an application with packages of npm', async (t) => {
  const project = testProject(t, bun, cache)
  await builtTwice(project, ['bun-hello'])
  const deb = packageOf(project, 'bun-hello')
  assert.deepEqual(
    ['bun-hello', 'bun-figlet'].map((name) => fileOf(deb, `/usr/bin/${name}`).split('\n')[1]),
    [
      'exec bun /usr/lib/bun-apps/bun-hello/hello.ts "$@"',
      'exec bun /usr/lib/bun-apps/bun-hello/node_modules/.bin/figlet "$@"',
    ],
  )
  assert.ok(contents(deb).includes('/usr/lib/bun-apps/bun-hello/node_modules/figlet/package.json'))
  assert.match(field(deb, 'Depends'), /^bun$/)
})

const lock = 'bun-hello/bun.lock'
const faults: Readonly<Record<string, readonly [changed: (texts: Texts) => Texts, says: RegExp]>> = {
  'an application without a lock': [
    (texts) => Object.fromEntries(Object.entries(texts).filter(([path]) => path !== lock)),
    /units\/bun-hello\.star:2: [\s\S]*no bun\.lock that says which versions of figlet are meant[\s\S]*bun install --lockfile-only/,
  ],
  'a lock that does not fit': [
    (texts) => ({
      ...texts,
      'bun-hello/package.json': (texts['bun-hello/package.json'] ?? '').replace('1.7.0', '1.6.0'),
    }),
    /units\/bun-hello\.star:2: [\s\S]*a lock that does not fit package\.json is mended by: bun install --lockfile-only/,
  ],
  'a lock without digests': [
    (texts) => ({ ...texts, [lock]: (texts[lock] ?? '').replace(/, "sha512-[^"]*"/, '') }),
    /units\/bun-hello\.star:2: [\s\S]*no digest of these, so anything could come for them:\n.*figlet/,
  ],
  'other bytes than the lock means': [
    (texts) => ({ ...texts, [lock]: (texts[lock] ?? '').replace('sha512-gO8', 'sha512-gO9') }),
    /units\/bun-hello\.star:2: [\s\S]*[Ii]ntegrity/,
  ],
}

for (const [what, [changed, says]] of Object.entries(faults)) {
  test(`bun_app refuses ${what}`, async (t) => {
    assert.match(await failing(testProject(t, changed(bun), cache), 'bun-hello'), says)
  })
}
