import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Plan } from '#toolkit/planning.ts'
import { rebuilds, withDependencies } from '#toolkit/rebuilding.ts'
import { packageNode } from '../engine/build/nodes.ts'
import { bareProject, testProject } from '../support/project.ts'

const [lib, app] = [packageNode('lib'), packageNode('other')]
const top = packageNode('top', lib)

const wishes = [
  { wish: {}, want: [] },
  { wish: { force: true }, want: ['top --force'] },
  { wish: { clean: true }, want: ['top --clean, from nothing'] },
  { wish: { noCache: true }, want: ['lib --no-cache', 'top --no-cache'] },
  { wish: { noCache: true, clean: true }, want: ['lib --no-cache', 'top --clean, from nothing'] },
]
for (const { wish, want } of wishes)
  test(`what is built anew: ${JSON.stringify(wish)}`, () => {
    const found = [...rebuilds([top], wish)].map(
      ([{ unit }, { why, clean }]) =>
        `${unit.name} ${why.replace('asked for by ', '')}${clean ? ', from nothing' : ''}`,
    )
    assert.deepEqual(found, want)
  })

test('--with-deps: the units below become targets, dependencies first', () => {
  const plan: Pick<Plan, 'targets'> = { targets: [top, app] }
  const { targets } = withDependencies(plan)
  assert.deepEqual(
    targets.map(({ unit }) => unit.name),
    ['lib', 'top', 'other'],
  )
})

const refused: readonly (readonly [string, RegExp])[] = [
  ['--all uu', /--all takes no names\n {2}hint: yoe build --all, or yoe build uu/],
  ['--class unit', /--class chooses among --all\n {2}hint: yoe build --all --class unit/],
  ['--all --with-deps', /--all means every unit; --with-deps adds nothing\n {2}hint: leave out --with-deps/],
  ['--no-cache --with-deps uu', /--with-deps adds nothing\n {2}hint: leave out --with-deps/],
  ['--clean --force uu', /--clean builds anew, as --force does\n {2}hint: leave out --force/],
  ['--no-cache --force uu', /--no-cache builds anew, as --force does\n {2}hint: leave out --force/],
  ['--list-targets uu', /--list-targets builds nothing: uu says nothing beside it\n {2}hint: yoe build --list-targets/],
  ['--list-targets --force', /--list-targets builds nothing: --force says nothing beside it/],
  ['--list-targets -j 3', /--list-targets builds nothing: --jobs says nothing beside it/],
  ['--list-targets --dry-run', /--list-targets builds nothing: --dry-run says nothing beside it/],
  ['-j 0', /"0" is no number of jobs\n {2}hint: say -j 4/],
]
test('options that say nothing together are refused, with what to type', { concurrency: 2 }, async (t) => {
  const project = testProject(t, { 'PROJECT.star': bareProject, 'units/u.star': 'unit(name = "uu", version = "1")\n' })
  const asked = refused.map(([args, want]) =>
    t.test(args, async () => {
      const { code, stderr } = await project.yoe(['build', ...args.split(' ')])
      assert.equal(code, 2, stderr)
      assert.match(stderr, want)
    }),
  )
  await Promise.all(asked)
})
