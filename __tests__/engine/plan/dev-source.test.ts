import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DevSource } from '#engine/plan/dev-source.ts'
import type { Node } from '#engine/plan/graph.ts'
import { hashNodes } from '#engine/plan/hash.ts'
import { whyChanged } from '#engine/plan/why.ts'
import { plan } from './fake-world.ts'

const sha = (digit: string): string => `sha256 = "${digit.repeat(64)}"`

const texts = (more: string) => ({
  'units/lib.star': `unit(name = "lib", version = "1", source = "https://x.org/lib-1.tar.gz", ${more}, build = ["make"])\n`,
  'units/app.star': 'unit(name = "app", version = "1", deps = ["lib"], build = ["make"])\n',
  'units/fix.patch': 'a fix',
})

const state: DevSource = { content: 'c', commits: 1, edits: [], files: ['a.c'] }

/** Keys of `lib` and `app` when the tree of `lib` is in this state. */
async function keysOf(more: string, dev: DevSource | undefined) {
  const { targets, project } = await plan(texts(more), ['lib', 'app'])
  const [lib, app] = targets
  assert.ok(lib && app)
  const states = new Map<Node, DevSource>(dev === undefined ? [] : [[lib, dev]])
  const keys = hashNodes(targets, ({ path }) => path, project, states)
  const [of, above] = [keys.get(lib), keys.get(app)]
  assert.ok(of && above)
  return { lib: of.hash, app: above.hash, inputs: of.inputs, dev: of.dev }
}

test('a unit in dev state is what is in its tree: neither declared source nor patches, and no count of commits', async () => {
  const dev = await keysOf(sha('a'), state)
  assert.deepEqual(dev.dev, state)
  for (const more of [sha('b'), `${sha('a')}, patches = ["fix.patch"]`]) {
    assert.equal((await keysOf(more, state)).lib, dev.lib)
  }
  for (const same of [{ commits: 2 }, { edits: ['a.c'] }, { files: [] }, { behind: '0.9' }]) {
    assert.equal((await keysOf(sha('a'), { ...state, ...same })).lib, dev.lib)
  }
  const others = [undefined, { ...state, content: 'd' }, { ...state, commit: 'e' }]
  for (const other of others) {
    const keys = await keysOf(sha('a'), other)
    assert.notEqual(keys.lib, dev.lib)
    assert.notEqual(keys.app, dev.app, 'what is built with it follows')
  }
})

test('why says so', async () => {
  const pinned = (await keysOf(sha('a'), undefined)).inputs
  const dev = (await keysOf(sha('a'), state)).inputs
  const edited = (await keysOf(sha('a'), { ...state, content: 'd' })).inputs
  assert.equal(whyChanged(pinned, dev), 'its source is in dev mode')
  assert.equal(whyChanged(dev, pinned), 'its source is pinned again')
  assert.equal(whyChanged(dev, edited), 'its source changed')
  const listings = (digest: string) => new Map([['auth.c', digest]])
  assert.equal(whyChanged(dev, edited, listings), 'auth.c changed')
})
