/** C7, G1: two machines, a folder between them, and a key that is replaced, retired, and revoked. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { debianProject, projectIn, scratch, type TestProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

test('what another machine built is taken, and built again, as its key is worth', async (t) => {
  const folder = scratch(t)
  const shared = join(folder, 'shared')
  const unit = `uu${randomBytes(6).toString('hex')}`
  const root = join(folder, 'project')
  // One checkout and two homes: one machine has the cache's key, the other reads.
  const machine = (name: string): TestProject => projectIn(root, join(folder, name), sharedCache())
  const [builder, reader] = [machine('builder'), machine('reader')]
  const list = join(root, 'keys/cache.pub')
  builder.write({
    'keys/cache.pub': 'ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n',
    'PROJECT.star': debianProject.replace(
      'version = "1.0",',
      `version = "1.0",\n    cache = cache(signing = "keys/cache.pub", remote = [dir_cache(name = "team", path = "${shared}")]),`,
    ),
    'units/u.star': `unit(name = "${unit}", version = "1", license = "MIT", qa_skip = {"license": "a test"}, tasks = [task("make", run = "mkdir -p $DESTDIR/etc; echo 1 >$DESTDIR/etc/${unit}")])\n`,
  })
  const key = async (...args: readonly string[]): Promise<string> => {
    const ran = await builder.yoe(['key', ...args])
    assert.equal(ran.code, 0, ran.stderr)
    return ran.stdout
  }
  /** @param fresh on a machine that never saw the unit */
  const build = async (on: TestProject, fresh = true): Promise<{ readonly outcome: string; readonly said: string }> => {
    if (fresh) {
      for (const path of globSync('units/*/*.json', { cwd: sharedCache() }))
        if (readFileSync(join(sharedCache(), path), 'utf8').includes(`"unit":"${unit}"`))
          rmSync(join(sharedCache(), path))
      rmSync(join(root, 'build/debian'), { recursive: true, force: true })
    }
    const ran = await on.yoe(['build', unit, '--json'])
    assert.equal(ran.code, 0, ran.stderr)
    const { units }: { units: { unit: string; outcome: string }[] } = JSON.parse(ran.stdout)
    return { outcome: units.find((each) => each.unit === unit)?.outcome ?? 'present', said: ran.stderr }
  }

  await key('generate', 'cache')
  writeFileSync(list, await key('export', 'cache'))
  assert.equal((await build(builder)).outcome, 'built')
  assert.equal((await build(reader)).outcome, 'restored')
  assert.equal((await build(reader, false)).outcome, 'present')

  // The overlap: taken, and signed anew by whoever has the new key.
  await key('rotate', 'cache', '--until', '2099-01-01')
  assert.equal((await build(reader)).outcome, 'restored')
  assert.equal((await build(builder)).outcome, 'restored')
  writeFileSync(list, readFileSync(list, 'utf8').replace('until=2099-01-01', 'until=2020-01-01'))
  const after = await build(reader)
  assert.equal(after.outcome, 'restored', after.said)

  // Revoked: what is here already counts for nothing either, and what is built takes the other's place.
  const [present]: { fingerprint: string }[] = JSON.parse(await key('show', 'cache', '--json'))
  await key('revoke', 'cache', present?.fingerprint ?? '')
  const without = await build(reader, false)
  assert.equal(without.outcome, 'built', without.said)
  assert.match(without.said, /results in .* are not used: key [0-9a-f]{16} signed them, which is revoked/)
  assert.match(without.said, /the entry units\/.* is not used: key [0-9a-f]{16} signed it, which is revoked/)
  await key('rotate', 'cache')
  assert.equal((await build(builder)).outcome, 'built')
  const last = await build(reader)
  assert.equal(last.outcome, 'restored', last.said)
  assert.doesNotMatch(last.said, /revoked/)
})
