import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RepositoryEntry } from '../../../src/engine/formats.ts'
import { layerKey, packageInputs, partClosure } from '../../../src/engine/image/layers.ts'

/** `app*: libz | libz-ng` : name, whether the project builds it, what it depends on; `(x)` are provided names. */
function closure(text: string): readonly RepositoryEntry[] {
  return text.split('\n').map((line) => {
    const [, name = '', star, provided = '', depends = ''] =
      /^(\w+)(\*?)(?:\((\w+)\))?:\s*(.*)$/.exec(line.trim()) ?? []
    const origin =
      star === '*'
        ? { kind: 'unit' as const, unit: name, at: { file: 'u.star', line: 1, column: 1 } }
        : { kind: 'feed' as const, feed: 'debian.main', path: '', sha256: '', size: 0 }
    const groups =
      depends === '' ? [] : depends.split(', ').map((group) => group.split(' | ').map((each) => ({ name: each })))
    const provides = provided === '' ? [] : [{ name: provided }]
    const record = {
      name,
      version: '1',
      arch: 'amd64',
      depends: groups,
      provides,
      conflicts: [],
      essential: false,
      priority: '',
      origin,
    }
    return { record, path: `/${name}`, sha256: name, size: 1 }
  })
}

const shown = (text: string): string => {
  const { feed, project } = partClosure(closure(text))
  const names = (entries: readonly RepositoryEntry[]): string => entries.map(({ record }) => record.name).join(' ')
  return `${names(feed)} + ${names(project)}`
}

const rows = [
  { name: 'feed below, project above', text: 'libc:\napp*: libc', want: 'libc + app' },
  { name: 'no project package', text: 'libc:\nssh: libc', want: 'libc ssh + ' },
  {
    name: 'what needs a project package comes with it',
    text: 'libc:\nz*: libc\nssh: z, libc\nssher: ssh',
    want: 'libc + z ssh ssher',
  },
  {
    name: 'an alternative or a provided name from the feed is enough',
    text: 'libc(c):\nz*: libc\nssh: z | libc\ntool: c',
    want: 'libc ssh tool + z',
  },
  { name: 'a cycle in the feed stays together', text: 'a: b\nb: a\nx*: a', want: 'a b + x' },
]
for (const { name, text, want } of rows) test(`partClosure: ${name}`, () => assert.equal(shown(text), want))

test('a layer key holds what it is given, however it is written, and nothing else', () => {
  const key = (more: object = {}) => layerKey('feed', { arch: 'arm64', tools: 't', list: [1, 'a'], ...more })
  assert.equal(key(), layerKey('feed', { list: [1, 'a'], tools: 't', arch: 'arm64' }))
  const others = [
    key({ arch: 'x86_64' }),
    key({ list: ['1', 'a'] }),
    key({ list: [[1, 'a']] }),
    key({ more: null }),
    layerKey('disk', {}),
  ]
  assert.equal(new Set([key(), ...others]).size, 6)
})

test('the order in which a closure is listed does not change its key', () => {
  const packages = closure('a:\nb: a\nc: b')
  assert.deepEqual(packageInputs(packages), packageInputs(packages.toReversed()))
})
