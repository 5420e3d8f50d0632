import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { dotLines } from '#cli/dot.ts'
import { treeLines } from '#cli/tree.ts'
import { vendorProject } from '../support/vendor-project.ts'

const svg = (dot: string): string => execFileSync('dot', ['-Tsvg'], { input: dot, encoding: 'utf8', stdio: 'pipe' })

test('graphviz reads what yoe graph prints, and names stay what they are', async (t) => {
  const project = await vendorProject(t)
  for (const args of [[], ['sensord', 'webui'], ['--stale']]) {
    const { code, stdout, stderr } = await project.yoe(['graph', '--format', 'dot', ...args])
    assert.equal(code, 0, stderr)
    assert.match(svg(stdout), /<title>sensord&#45;&gt;libmodbus<\/title>/)
  }
  const why = 'a "quoted" \\ reason\nin two lines, $(id)'
  const hostile = dotLines({
    roots: ['a'],
    nodes: [
      { name: 'a', kind: 'unit', class: 'unit', version: '1~"\\', why },
      { name: 'edge', kind: 'feed', class: 'feed', version: '' },
    ],
    edges: [{ from: 'a', to: 'edge', relations: ['build', 'runtime'] }],
  })
  const drawn = svg(hostile.join('\n'))
  assert.match(drawn, /1~&quot;\\</)
  assert.match(drawn, /a &quot;quoted&quot; \\ reason in two lines, \$\(id\)/)
  assert.match(drawn, /<title>a&#45;&gt;edge<\/title>/)
})

test('a tree shows each subtree once, wherever it stands first from the top', () => {
  const below: Readonly<Record<string, string>> = { a: 'bcd', b: 'de', c: 'b', d: 'e', e: '' }
  const seen = new Set<string>()
  const lines = treeLines('a', {
    label: (name) => name,
    children: (name) => [...(below[name] ?? '')],
    repeated(name) {
      const before = seen.has(name) && below[name] !== ''
      seen.add(name)
      return before
    },
  })
  assert.deepEqual(lines, ['a', '├── b', '│   ├── d', '│   │   └── e', '│   └── e', '├── c', '│   └── b …', '└── d …'])
})
