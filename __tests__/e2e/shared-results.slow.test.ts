/** Two machines that share a folder: what one built the other plans to restore, restores, and gets byte for byte. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { generateCacheKey } from '#engine/store/signing.ts'
import { debianProject, scratch, type TestProject, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

const version = `${Date.now()}.${process.pid}`
const unit = (name: string, more: string): string => `unit(
    name = "${name}", version = "${version}", license = "MIT", scope = "noarch", container = "plain"${more},
    build = ["mkdir -p $DESTDIR/usr/share/${name}; date +%s%N >$DESTDIR/usr/share/${name}/made"],
    qa_skip = {"reproducible": "says when it was built, so that a second build would show"},
)
`

function machine(t: TestContext, { key, shared }: { key: string; shared: string }, cache?: string) {
  const project = testProject(
    t,
    {
      'PROJECT.star': debianProject,
      'containers/plain.star':
        'container(name = "plain", distro = "debian", packages = ["bash", "coreutils", "dpkg", "tar"])\n',
      'units/u.star': unit('lower', '') + unit('upper', ', deps = ["lower"]'),
    },
    cache,
  )
  const env = { YOE_CACHE_SIGNING_KEY: key, YOE_REMOTE_CACHE: `file://${shared}` }
  return { project, run: (...args: readonly string[]) => project.yoe(args, { env }) }
}

interface Said {
  readonly units: readonly { readonly unit: string; readonly outcome?: string; readonly state?: string }[]
  readonly outputs?: readonly { readonly path: string }[]
}

const bytesOf = (project: TestProject, { outputs = [] }: Said): Buffer =>
  readFileSync(resolve(project.root, outputs[0]?.path ?? ''))

test('what one machine built, another restores, and asks nothing of what lies below it', async (t) => {
  const world = { key: generateCacheKey().privateKey, shared: join(scratch(t), 'shared') }
  const first = machine(t, world, sharedCache())
  const built = await first.run('build', 'upper', '--json')
  assert.equal(built.code, 0, built.stderr)
  const made: Said = JSON.parse(built.stdout)

  const second = machine(t, world)
  const planned = await second.run('plan', 'upper', '--json')
  assert.equal(planned.code, 0, planned.stderr)
  const plan: Said = JSON.parse(planned.stdout)
  const states = new Map(plan.units.map(({ unit, state }) => [unit, state]))
  assert.equal(states.get('upper'), 'to restore')
  states.delete('upper')
  assert.deepEqual([...new Set(states.values())], ['unneeded'])
  assert.ok(!existsSync(join(second.project.root, 'cache/objects')) || !holdsUnits(second.project))
  const words = await second.run('plan', 'upper')
  assert.match(words.stdout, /^to restore .*upper.* has it$/m)
  assert.match(words.stdout, /^0 to build, 1 to restore, 0 cached, \d+ not needed$/m)

  const restored = await second.run('build', 'upper', '--json')
  assert.equal(restored.code, 0, restored.stderr)
  const got: Said = JSON.parse(restored.stdout)
  assert.deepEqual(
    got.units.map(({ unit, outcome }) => `${unit} ${outcome}`),
    ['upper restored'],
  )
  assert.ok(bytesOf(second.project, got).equals(bytesOf(first.project, made)))

  const offline = await machine(t, world).run('plan', 'upper', '--no-remote-cache')
  assert.match(offline.stdout, /^[1-9]\d* to build, 0 cached/m)
})

/** Whether a machine has results of units in its store. */
function holdsUnits({ root }: TestProject): boolean {
  const units = join(root, 'cache/units')
  return existsSync(units) && readdirSync(units).length > 0
}
