/** A project with modules from repositories. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { moduleTexts, TestRepository } from '../support/git.ts'
import { scratch, type TestProject, testProject } from '../support/project.ts'

export interface World {
  readonly project: TestProject
  readonly repos: string
  readonly lock: () => string
}

/** A project that lists `bsp` at v1, which asks for `hal` at v1. */
export function world(t: TestContext): World & { readonly bsp: TestRepository; readonly hal: TestRepository } {
  const repos = scratch(t)
  const hal = new TestRepository(join(repos, 'hal.git'), moduleTexts('hal'))
  hal.tag('v1', true)
  const bsp = new TestRepository(join(repos, 'bsp'), moduleTexts('bsp', [`module("${hal.url}", ref = "v1")`]))
  bsp.tag('v1')
  const project = testProject(t, { 'PROJECT.star': listing(`module("${bsp.url}", ref = "v1")`) })
  return { project, repos, hal, bsp, lock: () => readFileSync(join(project.root, 'yoe.lock'), 'utf8') }
}

export const listing = (...modules: readonly string[]): string =>
  `project(name = "demo", version = "1", modules = [${modules.join(', ')}])\n`

/** Units that a project has, by the command line. */
export async function units(project: TestProject, ...more: readonly string[]): Promise<readonly string[]> {
  const { code, stdout, stderr } = await project.yoe(['list', 'units', '--json', ...more])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
    .units.map(({ name, version }: { name: string; version?: string }) => `${name} ${version}`)
    .toSorted()
}
