/** The cells of projects whose images are for one distro, or for two. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { silent } from '#engine/events.ts'
import { artifactName } from '#github/artifacts.ts'
import { planMatrix } from '#github/matrix.ts'
import { memoryOf } from '#github/memory.ts'
import { findCell, listCells } from '#toolkit/cells.ts'
import { openWorkspace } from '#toolkit/workspace.ts'
import { errorsOf } from '../support/making.ts'
import { type Texts, testProject } from '../support/project.ts'

const project = `project(
    name = "demo",
    version = "1.0",
    defaults = defaults(machine = "box", distro = "debian"),
)
apt_feed(name = "d", suite = "trixie", component = "main", arches = ["amd64"], keyring = "k.gpg")
alpine_feed(name = "a", branch = "v3.23", keys = ["k.rsa.pub"])
`
const texts: Texts = {
  'PROJECT.star': project,
  'machines/box.star': 'machine(name = "box", arch = "x86_64", kernel = kernel(unit = "linux"))\n',
  'machines/deb.star': 'machine(name = "deb", arch = "arm64", distro_kernels = {"debian": kernel(unit = "linux")})\n',
  'images/plain.star': 'image(name = "plain", artifacts = [])\n',
  'images/both.star': 'image(name = "both", distros = ["debian", "alpine"], artifacts = [])\n',
  'images/alp.star': 'image(name = "alp", distro = "alpine", artifacts = [])\n',
}

/** A list of cells, by their names and distros; or what is wrong with it. */
async function listed(t: TestContext, patterns: readonly string[], more: Texts = {}) {
  const cells = await listCells(workspaceIn(t, more), patterns)
  return cells.map(({ cell, distro }) => `${cell} ${distro}`)
}

function workspaceIn(t: TestContext, more: Texts = {}) {
  const { root } = testProject(t, { ...texts, ...more })
  const env = { HOME: root, PATH: process.env['PATH'] }
  const { signal } = new AbortController()
  return openWorkspace({ cwd: root, project: root, env, offline: true, report: silent, signal })
}

const rows: readonly (readonly [patterns: readonly string[], cells: readonly string[]])[] = [
  [
    [],
    [
      ...['box/alp alpine', 'box/both/debian debian', 'box/both/alpine alpine', 'box/plain debian'],
      ...['deb/both debian', 'deb/plain debian'],
    ],
  ],
  [['box/both'], ['box/both/debian debian', 'box/both/alpine alpine']],
  [['box/both/alpine'], ['box/both/alpine alpine']],
  [['*/*/alpine'], ['box/alp alpine', 'box/both/alpine alpine']],
  [['deb/*'], ['deb/both debian', 'deb/plain debian']],
  [['deb/both/debian'], ['deb/both debian']],
  // What is for no distro in particular is built for another one where somebody says so in full.
  [['box/plain/alpine'], ['box/plain/alpine alpine']],
  [['box/plain'], ['box/plain debian']],
]
for (const [patterns, cells] of rows)
  test(`cells of ${patterns.join(', ') || 'everything'}`, async (t) => {
    assert.deepEqual(await listed(t, patterns), cells)
  })

test('two images of a name, each for a distro, are two cells', async (t) => {
  const twins = {
    'images/alp.star': 'image(name = "twin", distro = "alpine", artifacts = [])\n',
    'images/deb.star': 'image(name = "twin", distro = "debian", artifacts = [])\n',
  }
  assert.deepEqual(await listed(t, ['*/twin'], twins), [
    ...['box/twin/alpine alpine', 'box/twin/debian debian', 'deb/twin debian'],
  ])
})

test('one cell is found by its name; of several all are told', async (t) => {
  const workspace = workspaceIn(t)
  assert.equal((await findCell(workspace, 'box/both/alpine')).distro, 'alpine')
  assert.equal((await findCell(workspace, 'deb/both')).cell, 'deb/both')
  const [several] = await errorsOf(findCell(workspace, 'box/both'))
  assert.deepEqual([several?.code, several?.hint], ['USAGE', 'name one: box/both/debian, box/both/alpine'])
  const [none] = await errorsOf(findCell(workspace, 'deb/alp'))
  assert.match(none?.message ?? '', /can't be built for machine "deb"/)
  const [typo] = await errorsOf(findCell(workspace, 'box/bot/alpine'))
  assert.match(typo?.hint ?? '', /box\/both\/alpine/)
})

test('in CI they are jobs, artifacts and reports of their own', async (t) => {
  const cells = await listCells(workspaceIn(t), [])
  const { include } = planMatrix({ cells, runners: new Map(), changed: undefined })
  assert.deepEqual(include.map(({ name, distro }) => [name, distro]).slice(1, 3), [
    ['box/both/debian', 'debian'],
    ['box/both/alpine', 'alpine'],
  ])
  const unique = (names: readonly string[]): void => assert.equal(new Set(names).size, cells.length)
  unique(include.map(({ name }) => name))
  for (const kind of ['image', 'feed', 'report', 'junit', 'serial'])
    unique(cells.map(({ cell }) => artifactName(kind, cell)))
})

test('what is remembered of one is not taken for another whose name it begins', async () => {
  const series: string[] = []
  const cache: Parameters<typeof memoryOf>[0] = {
    newest: async (name) => void series.push(name),
    append: async (name) => {
      series.push(name)
      return 'saved'
    },
  }
  for (const cell of ['box/plain', 'box/plain/alpine', 'box/plainer']) {
    const memory = memoryOf(cache, { trust: 'default-branch', sha: 'c'.repeat(40) }, cell)
    await memory?.recall()
    await memory?.keep('text')
  }
  assert.equal(new Set(series).size, 3)
  for (const one of new Set(series))
    assert.deepEqual(
      [...new Set(series)].filter((name) => name.startsWith(one)),
      [one],
    )
})
