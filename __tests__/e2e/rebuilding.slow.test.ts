/** What --force, --clean and --no-cache build anew, and what two at once build once; in the real sandbox. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { debianProject, type Ran, type TestProject, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

const cache = sharedCache()

/** `upper` is built from `lower`; each counts its builds in a cache folder, which must not show in what is made. */
function counting(t: TestContext, version = `${Date.now()}.${process.pid}`): TestProject {
  const unit = (name: string, more: string): string => `unit(
    name = "${name}", version = "${version}", license = "MIT", scope = "noarch", container = "plain"${more},
    cache_dirs = {"/counter": "${name}-${version}"},
    build = ["""
n=$(cat /counter/n 2>/dev/null || echo 0); n=$((n + 1)); echo $n >/counter/n; echo build number $n; sleep 2
mkdir -p $DESTDIR/usr/share/${name}; echo ${name} >$DESTDIR/usr/share/${name}/name
"""],
)
`
  return testProject(
    t,
    {
      'PROJECT.star': debianProject,
      'containers/plain.star':
        'container(name = "plain", distro = "debian", packages = ["bash", "coreutils", "dpkg", "tar"])\n',
      'units/u.star': unit('lower', '') + unit('upper', ', deps = ["lower"]'),
    },
    cache,
  )
}

interface Built {
  /** `upper built asked for by --force`, in the order in which they were. */
  readonly units: readonly string[]
  readonly digest: string
}

const built = ({ units }: Built, name: string): boolean => units.some((line) => line.startsWith(`${name} built `))

function outcomeOf(project: TestProject, { code, stdout, stderr }: Ran): Built {
  assert.equal(code, 0, stderr)
  const said: { units: { unit: string; outcome: string; why: string }[]; outputs: { path: string }[] } =
    JSON.parse(stdout)
  const path = resolve(project.root, said.outputs[0]?.path ?? '')
  const [digest = ''] = execFileSync('sha256sum', [path], { encoding: 'utf8' }).split(' ')
  return { units: said.units.map(({ unit, outcome, why }) => `${unit} ${outcome} ${why}`), digest }
}

test('--force builds what is named, --clean from nothing, --no-cache all of it: the bytes stay', async (t) => {
  const project = counting(t)
  const build = async (...options: readonly string[]): Promise<Built> =>
    outcomeOf(project, await project.yoe(['build', 'upper', '--json', ...options]))
  const numbers = (): readonly string[] =>
    ['lower', 'upper'].map((name) => {
      const log = readFileSync(join(project.root, `build/debian/${name}.noarch/build.log`), 'utf8')
      return /^build number (\d+)$/m.exec(log)?.[1] ?? ''
    })
  const first = await build()
  assert.deepEqual(numbers(), ['1', '1'])
  const known = await build()
  assert.deepEqual([known.units, numbers()], [[], ['1', '1']])

  const forced = await build('--force')
  assert.ok(built(forced, 'upper') && !built(forced, 'lower'), forced.units.join())
  assert.deepEqual(numbers(), ['1', '2'])

  const clean = await build('--clean')
  assert.ok(built(clean, 'upper') && !built(clean, 'lower'), clean.units.join())
  assert.deepEqual(numbers(), ['1', '1'], 'the cache folder of what is named was emptied')

  const all = await build('--no-cache')
  for (const name of ['plain', 'lower', 'upper']) assert.ok(built(all, name), all.units.join())
  assert.ok(
    all.units.every((line) => line.endsWith(' built asked for by --no-cache')),
    all.units.join(),
  )
  assert.deepEqual(numbers(), ['2', '2'], 'cache folders stay')
  assert.equal(new Set([first, forced, clean, all].map(({ digest }) => digest)).size, 1)
})

test('two processes that want one unit: it is built once, and both have it', async (t) => {
  const version = `${Date.now()}.${process.pid}`
  const projects = [counting(t, version), counting(t, version)]
  const ran = await Promise.all(
    projects.map(async (project) => outcomeOf(project, await project.yoe(['build', 'upper', '--json']))),
  )
  assert.equal(new Set(ran.map(({ digest }) => digest)).size, 1)
  const builds = (name: string): readonly string[] =>
    projects.flatMap(({ root }) => {
      const log = join(root, `build/debian/${name}.noarch/build.log`)
      return existsSync(log) ? (readFileSync(log, 'utf8').match(/^build number \d+$/gm) ?? []) : []
    })
  assert.deepEqual([builds('lower'), builds('upper')], [['build number 1'], ['build number 1']])
  const waited = ran.flatMap(({ units }) => units.filter((line) => /another process built it just now/.test(line)))
  assert.ok(waited.length > 0, 'they were at it at the same time')
})
