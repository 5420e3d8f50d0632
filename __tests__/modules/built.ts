/** What builds of the modules' classes gave. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProject } from '../support/project.ts'

/** Absolute path of the package that a unit was built into. */
export function packageOf({ root }: TestProject, unit: string, suffix = '_'): string {
  const folders = ['x86_64', 'noarch'].map((arch) => join(root, 'build/debian', `${unit}.${arch}`))
  const folder = folders.find((each) => existsSync(each)) ?? ''
  const [name] = readdirSync(folder).filter((each) => each.startsWith(`${unit}${suffix}`) && each.endsWith('.deb'))
  assert.ok(name !== undefined, `${unit} has no package`)
  return join(folder, name)
}

/** `path` or `path -> target` of all that a package has, without folders. */
export function contents(deb: string): readonly string[] {
  const listed = execFileSync('dpkg-deb', ['--contents', deb], { encoding: 'utf8', maxBuffer: 2 ** 26 })
  return listed.split('\n').flatMap((line) => {
    const [, kind, path] = /^(.)\S* +\S+ +\d+ \S+ \S+ \.(.*)$/.exec(line) ?? []
    return path === undefined || kind === 'd' ? [] : [path.replace(/ link to \./, ' = ')]
  })
}

export const field = (deb: string, name: string): string =>
  execFileSync('dpkg-deb', ['--field', deb, name], { encoding: 'utf8' }).trim()

/** Text of a file of a package. */
export function fileOf(deb: string, path: string): string {
  const tar = execFileSync('dpkg-deb', ['--fsys-tarfile', deb], { maxBuffer: 2 ** 30 })
  return execFileSync('tar', ['-xOf', '-', `.${path}`], { input: tar, encoding: 'utf8', maxBuffer: 2 ** 26 })
}

/** Builds units, runs their tests, and builds them again without a network: the same bytes come out. */
export async function builtTwice(project: TestProject, units: readonly string[]): Promise<void> {
  const built = await project.yoe(['build', ...units])
  assert.equal(built.code, 0, built.stdout + built.stderr)
  const tested = await project.yoe(['test', ...units])
  assert.equal(tested.code, 0, tested.stdout + tested.stderr)
  const digests = (): readonly string[] =>
    units.map((unit) =>
      createHash('sha256')
        .update(readFileSync(packageOf(project, unit)))
        .digest('hex'),
    )
  const first = digests()
  const again = await project.yoe(['build', '--offline', '--force', ...units])
  assert.equal(again.code, 0, again.stdout + again.stderr)
  assert.match(again.stderr, new RegExp(`^${units.length} built,`, 'm'))
  assert.deepEqual(digests(), first)
}

/** What a build that has to fail says. */
export async function failing(project: TestProject, unit: string, ...more: readonly string[]): Promise<string> {
  const ran = await project.yoe(['build', unit, ...more])
  assert.notEqual(ran.code, 0, `${unit} was built`)
  return ran.stderr
}
