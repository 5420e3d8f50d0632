import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import type { Event } from '#engine/events.ts'
import { projectAtCommit } from '#toolkit/at-commit.ts'
import { loadProject, openWorkspace } from '#toolkit/workspace.ts'
import { scratch, writeTexts } from '../support/project.ts'

const git = (folder: string, ...args: readonly string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
    cwd: folder,
    encoding: 'utf8',
  }).trim()

const projectText = (version: string): string =>
  `project(name = "thing", version = "${version}", defaults = defaults(machine = "box", image = "disk"))\n`

/** A repository with a project in a folder, two commits of it, and changes that are in none. */
function repository(root: string) {
  const write = (version: string): void =>
    writeTexts(root, {
      'fw/PROJECT.star': projectText(version),
      'fw/machines/box.star': 'machine(name = "box", arch = "x86_64")\n',
    })
  git(root, 'init', '-q', '-b', 'main')
  write('1')
  git(root, 'add', '-A')
  git(root, 'commit', '-qm', 'one')
  const first = git(root, 'rev-parse', 'HEAD')
  write('2')
  git(root, 'commit', '-qam', 'two')
  write('3')
  writeFileSync(join(root, 'fw/local.star'), 'machine = "other"\n')
  return { first, second: git(root, 'rev-parse', 'HEAD'), project: join(root, 'fw') }
}

async function at(project: string, revision: string, env: Readonly<Record<string, string>> = {}, offline = false) {
  const events: Event[] = []
  const options = {
    env: { ...process.env, CI: undefined, ...env },
    offline,
    report: (event: Event) => void events.push(event),
    signal: new AbortController().signal,
  }
  const here = openWorkspace({ ...options, cwd: project, project })
  return { made: await projectAtCommit(here, options, revision), here, events }
}

const refusal =
  (code: string, words: RegExp) =>
  (failure: unknown): boolean =>
    failure instanceof YoeError && failure.code === code && words.test(failure.message)

test('the project is the commit’s: no changes, no local.star, no keys, locked as in CI; the cache is ours', async (t) => {
  const { first, project } = repository(scratch(t))
  const { made, here } = await at(project, first.slice(0, 10), { YOE_SIGNING_KEY: 'k', YOE_CACHE_SIGNING_KEY: 'k' })
  assert.equal(made.commit, first)
  const { workspace } = made
  const loaded = await loadProject(workspace, undefined)
  assert.equal(loaded.project.version, '1')
  assert.equal(workspace.local.settings.machine, undefined)
  assert.equal(here.local.settings.machine, 'other', 'the control')
  for (const name of ['YOE_SIGNING_KEY', 'YOE_CACHE_SIGNING_KEY']) assert.equal(workspace.env[name], undefined)
  assert.equal(workspace.env['CI'], 'true')
  assert.equal(workspace.cacheRoot, here.cacheRoot)
  assert.ok(workspace.buildRoot.startsWith(made.tree))
})

test('finish takes the image out and removes the work tree; git knows none either', async (t) => {
  const { second, project } = repository(scratch(t))
  const { made } = await at(project, 'HEAD')
  assert.equal(made.commit, second)
  const disk = join(made.tree, 'i.img')
  writeFileSync(disk, 'disk')
  const cell = { cell: 'box/i', machine: 'box', image: 'i', distro: 'debian', arch: 'x86_64', units: [] } as const
  const report = await made.finish({ ...cell, disk: { path: disk, sha256: 'x', size: 4 } })
  assert.equal(report.disk?.path, join(project, 'build/at', second.slice(0, 12), 'box-i.img'))
  assert.equal(readFileSync(report.disk?.path ?? '', 'utf8'), 'disk')
  assert.ok(!existsSync(made.tree))
  assert.equal(git(project, 'worktree', 'list').split('\n').length, 1)
  assert.equal(readFileSync(join(project, 'PROJECT.star'), 'utf8'), projectText('3'), 'what is worked on stays')
})

test('a work tree that stayed is used again, unless somebody edited it', async (t) => {
  const { first, project } = repository(scratch(t))
  const { made } = await at(project, first)
  mkdirSync(join(made.tree, 'fw/build'))
  assert.equal((await at(project, first)).made.tree, made.tree)
  writeFileSync(join(made.tree, 'fw/PROJECT.star'), projectText('4'))
  await assert.rejects(at(project, first), refusal('SOURCE_STATE', /edited/))
})

test('a commit that is not here is fetched: a pull request’s merge is in no branch', async (t) => {
  const root = scratch(t)
  const origin = join(root, 'origin')
  mkdirSync(origin)
  const { second } = repository(origin)
  git(origin, 'config', 'uploadpack.allowAnySHA1InWant', 'true')
  git(root, 'clone', '-q', `file://${origin}`, 'clone')
  git(origin, 'reset', '-q', '--hard', second)
  writeFileSync(join(origin, 'fw/PROJECT.star'), projectText('merged'))
  git(origin, 'commit', '-qam', 'merge')
  const merge = git(origin, 'rev-parse', 'HEAD')
  git(origin, 'reset', '-q', '--hard', second)
  const project = join(root, 'clone/fw')
  await assert.rejects(at(project, merge, {}, true), refusal('USAGE', /no commit/))
  const { made } = await at(project, merge)
  assert.equal((await loadProject(made.workspace, undefined)).project.version, 'merged')
})

test('what is no commit, no repository, or has no project is said', async (t) => {
  const root = scratch(t)
  const { first, project } = repository(root)
  for (const wrong of ['nothing', '--upload-pack=x', 'f'.repeat(40), '', 'HEAD:fw'])
    await assert.rejects(at(project, wrong), refusal('USAGE', /there is no commit/), wrong)
  git(root, 'rm', '-q', '--cached', '-r', 'fw')
  git(root, 'commit', '-qm', 'gone')
  await assert.rejects(at(project, 'HEAD'), refusal('PROJECT_NOT_FOUND', /has no fw\/PROJECT\.star/))
  assert.equal((await at(project, first)).made.commit, first)
  const outside = scratch(t)
  writeTexts(outside, { 'PROJECT.star': projectText('1') })
  await assert.rejects(at(outside, 'HEAD', { GIT_CEILING_DIRECTORIES: outside }), refusal('USAGE', /no git repository/))
})
