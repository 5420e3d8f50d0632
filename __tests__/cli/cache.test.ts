import assert from 'node:assert/strict'
import { chmodSync, globSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { seal } from '#engine/store/manifest.ts'
import { DirectoryStore } from '#engine/store/remotes/dir.ts'
import { Store } from '#engine/store/store.ts'
import type { Entry } from '#toolkit/cache/entries.ts'
import type { CacheStatus } from '#toolkit/cache/status.ts'
import type { Moved } from '#toolkit/cache/transfer.ts'
import { bytes, manifestOf } from '../engine/store/fixture.ts'
import { scratch } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'
import { vendorProject } from '../support/vendor-project.ts'

interface Unit {
  readonly unit: string
  readonly id: string
  readonly hash: string
  readonly kind: string
}

/** A project, of which one machine has built everything and another nothing, and a folder that both share. */
async function world(t: TestContext) {
  const project = await vendorProject(t)
  const shared = join(scratch(t), 'shared')
  const remote = pathToFileURL(shared).href
  const elsewhere = join(scratch(t), 'cache')
  const ask = async (
    args: readonly string[],
    code = 0,
    cache = project.cache,
    more: Readonly<Record<string, string>> = {},
  ) => {
    const env = { YOE_CACHE: cache, YOE_REMOTE_CACHE: remote, ...more }
    const ran = await project.yoe(['cache', ...args, '--json'], { env })
    assert.equal(ran.code, code, ran.stderr + ran.stdout)
    const answer = JSON.parse(ran.stdout)
    assert.deepEqual(faultsOf('errors' in answer ? 'errors' : 'cache', answer), [])
    return answer
  }
  const planned: { readonly units: readonly Unit[] } = JSON.parse((await project.yoe(['plan', '--json'])).stdout)
  const store = await Store.open(project.cache)
  for (const { unit, id, hash, kind } of planned.units) {
    await store.objects.put(bytes(id))
    const inputs = kind === 'package' ? { deps: {}, unit: { version: '1.0' } } : { units: {} }
    await store.record(
      seal({ ...manifestOf({ [unit]: id }), unit, hash, arch: archOf(id), inputs }, 'trusted', undefined),
    )
  }
  await store.release()
  return { project, shared, ask, elsewhere, units: planned.units, store }
}

const archOf = (id: string): string => /\.(noarch|arm64|x86_64)$/.exec(id)?.[1] ?? 'x86_64'

const counts = (moved: readonly Moved[]): Record<string, number> => {
  const found: Record<string, number> = {}
  for (const { outcome } of moved) found[outcome] = (found[outcome] ?? 0) + 1
  return found
}

test('what one machine has is pushed, and pulled by another that builds nothing', async (t) => {
  const { project, ask, elsewhere, units, shared } = await world(t)
  const refused = await ask(['push'], 2)
  assert.match(refused.errors[0].message, /no shared cache can be written\n.*no cache key/)
  assert.equal((await project.yoe(['key', 'generate', 'cache'])).code, 0)
  const status: CacheStatus = await ask(['status'])
  assert.deepEqual(
    status.remotes.map(({ state, writes }) => [state, writes]),
    [['reachable', true]],
  )
  assert.equal(status.kinds.find(({ kind }) => kind === 'results')?.count, units.length)

  const pushed: readonly Moved[] = await ask(['push'])
  assert.deepEqual(counts(pushed), { saved: units.length })
  assert.deepEqual(counts(await ask(['push'])), { exists: units.length })
  const listed: readonly Entry[] = await ask(['list'])
  assert.equal(listed.length, units.length)
  assert.ok(listed.every(({ complete, remotes, signedBy }) => complete && remotes.length === 1 && signedBy !== null))

  const [target] = units.filter(({ kind }) => kind === 'image')
  assert.ok(target)
  const frontier: readonly Moved[] = await ask(['pull'], 0, elsewhere)
  assert.deepEqual(
    frontier.map(({ unit, outcome }) => [unit, outcome]),
    [[target.unit, 'restored']],
    'of a target that is there, nothing else is brought',
  )
  assert.deepEqual(counts(await ask(['pull', '--all'], 0, elsewhere)), { here: 1, restored: units.length - 1 })

  // Without the image, what its build would begin with.
  rmSync(elsewhere, { recursive: true })
  await new DirectoryStore(shared).delete(`units/${archOf(target.id)}/${target.hash}`)
  const below: readonly Moved[] = await ask(['pull'], 1, elsewhere)
  assert.deepEqual(
    below.filter(({ outcome }) => outcome === 'missing').map(({ unit, why }) => [unit, why]),
    [[target.unit, 'no shared cache has it in a way that is believed']],
  )
  assert.ok((counts(below)['restored'] ?? 0) > 1)
})

test('what is harmed is found here and there, and told apart from what others signed', async (t) => {
  const { project, ask, shared, units, elsewhere } = await world(t)
  await project.yoe(['key', 'generate', 'cache'])
  await ask(['push'])
  const remote = shared
  const good = await ask(['verify', '--remote', remote])
  assert.deepEqual([good.entries, good.checked, good.damaged, good.doubted], [units.length, units.length, [], []])
  assert.equal((await ask(['verify', '--remote', remote, '--sample', '2'])).checked, 2)
  const [entry = ''] = globSync('units/*/*', { cwd: shared })
  const path = join(shared, entry)
  const harmed = readFileSync(path)
  const at = harmed.length - 3
  harmed[at] = (harmed[at] ?? 0) ^ 1
  writeFileSync(path, harmed)
  const bad = await ask(['verify', '--remote', remote], 1)
  assert.deepEqual(
    bad.damaged.map(({ name }: { name: string }) => name),
    [entry],
  )
  // Whoever has another key believes none of it.
  const XDG_CONFIG_HOME = scratch(t)
  assert.equal((await project.yoe(['key', 'generate', 'cache'], { env: { XDG_CONFIG_HOME } })).code, 0)
  const stranger = await ask(['verify', '--remote', remote], 1, elsewhere, { XDG_CONFIG_HOME })
  assert.deepEqual([stranger.damaged.length, stranger.doubted.length], [1, units.length - 1])
  await new DirectoryStore(shared).delete(entry)
  assert.equal((await ask(['verify', '--remote', remote], 0, elsewhere, { XDG_CONFIG_HOME })).damaged.length, 0)

  const [object = ''] = globSync('objects/*/*', { cwd: project.cache })
  chmodSync(join(project.cache, object), 0o644)
  writeFileSync(join(project.cache, object), 'harmed')
  const here = await ask(['verify'], 1)
  assert.deepEqual(
    here.damaged.map(({ name }: { name: string }) => name),
    [object.replace('objects/', '').replace('/', '')],
  )
  assert.deepEqual((await ask(['verify'])).damaged, [])
  const incomplete: readonly Entry[] = await ask(['list'])
  assert.ok(incomplete.filter(({ complete }) => !complete).length <= 1)
})

test('gc keeps what the project needs, here and in a shared cache', async (t) => {
  const { project, ask, shared, units, store } = await world(t)
  await project.yoe(['key', 'generate', 'cache'])
  await ask(['push'])
  const old = 'f'.repeat(64)
  await store.objects.put(bytes('old'))
  await store.record(seal({ ...manifestOf({ old: 'old' }), hash: old }, 'trusted', undefined))
  await store.release()
  writeFileSync(join(shared, 'units/x86_64', old), 'an entry of long ago')
  const claims = new DirectoryStore(shared).documents
  for (const hash of [old, units[0]?.hash ?? '', 'e'.repeat(64)])
    await claims.create(`claims/x86_64/${hash}`, '{"state":"done"}')
  const long = Date.now() / 1000 - 40 * 86_400
  for (const folder of [shared, project.cache])
    for (const path of globSync(['units/*/*', 'claims/*/*'], { cwd: folder }))
      if (!path.includes('eee')) utimesSync(join(folder, path), long, long)
  const would = await ask(['gc', '--dry-run'])
  assert.deepEqual(would.removed.find(({ kind }: { kind: string }) => kind === 'results')?.count, 1)
  const { removed, left } = await ask(['gc'])
  assert.deepEqual(removed, would.removed)
  assert.ok(left > 0)
  assert.equal((await ask(['list'])).length, units.length)

  const there = await ask(['gc', '--remote', shared])
  assert.deepEqual([there.entries, there.claims], [1, 1])
  assert.equal(globSync('units/*/*', { cwd: shared }).length, units.length)
  assert.equal(globSync('claims/*/*', { cwd: shared }).length, 2, 'who may build it now keeps its mark')
  assert.ok((await ask(['gc', '--remote', shared, '--budget', '1K'])).left <= 1024)
  await ask(['gc', '--all'])
  assert.deepEqual(await ask(['list']), [])
})

test('what says nothing, and what is not there', async (t) => {
  const { ask } = await world(t)
  const cases: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [['stauts'], /yoe cache has no "stauts"/],
    [['gc', 'app'], /yoe cache gc takes no name/],
    [['list', '--all'], /yoe cache list takes no --all/],
    [['gc', '--budget', 'much'], /--budget much is no size/],
    [['verify', '--sample', '3'], /--sample is about a shared cache/],
    [['verify', '--remote', 'tema'], /there is no shared cache "tema"/],
    [['gc', '--remote', 'tema'], /there is no shared cache "tema"/],
    [['stats'], /nothing was built yet with this cache/],
    [['push', '--no-remote-cache'], /shares its results with nobody/],
    [['pull', '--no-remote-cache'], /no shared cache to pull from/],
  ]
  for (const [args, says] of cases) assert.match((await ask(args, 2)).errors[0].message, says)
})
