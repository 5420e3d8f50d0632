/** Node.js: real packages of npm, one with an addon that is compiled, and locks that leave something open. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Texts, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'
import { builtTwice, contents, failing, field, fileOf, packageOf } from './built.ts'
import { nodejs } from './script-apps.ts'

const cache = sharedCache()

test('applications with packages of npm', async (t) => {
  const project = testProject(t, nodejs, cache)
  await builtTwice(project, ['hello', 'versions'])

  const hello = packageOf(project, 'hello')
  assert.deepEqual(
    ['hello', 'figlet', 'banner'].map((name) => fileOf(hello, `/usr/bin/${name}`).split('\n')[1]),
    [
      'exec node /usr/lib/node-apps/hello/hello.js "$@"',
      'exec /usr/lib/node-apps/hello/node_modules/.bin/figlet "$@"',
      'exec node /usr/lib/node-apps/hello/node_modules/figlet/bin/index.js "$@"',
    ],
  )
  assert.match(field(hello, 'Depends'), /^nodejs$/)

  const versions = packageOf(project, 'versions')
  const files = contents(versions).filter((path) => path.startsWith('/usr/lib/node-apps/versions/'))
  assert.deepEqual(
    files.filter((path) => path.includes('/build/')).map((path) => path.replace(/.*node_modules\//, '')),
    ['unix-dgram/build/Release/unix_dgram.node'],
  )
  assert.ok(files.includes('/usr/lib/node-apps/versions/dist/main.js'))
  assert.deepEqual(
    files.filter((path) => /\.package-lock\.json|node_modules\/typescript/.test(path)),
    [],
  )
  assert.match(field(versions, 'Depends'), /libnode\d+/)
})

const lock = 'units/hello/package-lock.json'
const faults: Readonly<Record<string, readonly [changed: (texts: Texts) => Texts, says: RegExp]>> = {
  'an application without a lock': [
    (texts) => ({
      ...texts,
      'units/hello.star': (texts['units/hello.star'] ?? '').replace(/.*install_file\("package-lock.*\n/, ''),
    }),
    /units\/hello\.star:2: [\s\S]*no package-lock\.json that says which versions of figlet are meant[\s\S]*npm install --package-lock-only/,
  ],
  'a lock that does not fit': [
    (texts) => ({
      ...texts,
      'units/hello/package.json': (texts['units/hello/package.json'] ?? '').replace('1.7.0', '1.6.0'),
    }),
    /units\/hello\.star:2: [\s\S]*a lock that does not fit package\.json is mended by: npm install --package-lock-only/,
  ],
  'a lock without digests': [
    (texts) => ({ ...texts, [lock]: (texts[lock] ?? '').replace(/"integrity": "[^"]*",/, '') }),
    /units\/hello\.star:2: [\s\S]*no digest of these, so anything could come for them:\n.*node_modules\/figlet/,
  ],
  'other bytes than the lock means': [
    (texts) => ({ ...texts, [lock]: (texts[lock] ?? '').replace('sha512-gO8', 'sha512-gO9') }),
    /units\/hello\.star:2: [\s\S]*EINTEGRITY/,
  ],
  'a command that nothing brings': [
    (texts) => ({
      ...texts,
      'units/hello.star': (texts['units/hello.star'] ?? '').replace('"figlet": "figlet"', '"x": "nothing"'),
    }),
    /units\/hello\.star:2: [\s\S]*entry_points: x is to start "nothing"/,
  ],
}

for (const [what, [changed, says]] of Object.entries(faults)) {
  test(`nodejs_app refuses ${what}`, async (t) => {
    assert.match(await failing(testProject(t, changed(nodejs), cache), 'hello'), says)
  })
}
