/** Several projects in one folder, and new ones. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { projectIn, scratch, testProject } from '../support/project.ts'

const texts = {
  'PROJECT.star': 'project(name = "default", version = "1.0")\n',
  'projects/customer-a.star': 'project(name = "customer-a", version = "2.0", modules = [module(local = "mod")])\n',
  'projects/wrong.star': 'x = 1\n',
  'machines/m.star': 'machine(name = "box", arch = "x86_64")\n',
  'units/u.star': 'unit(name = "shared", version = "1")\n',
  'mod/units/m.star': 'unit(name = "extra", version = "1")\n',
}

test('--project names a file: before the command, after it, or by YOE_PROJECT', async (t) => {
  const project = testProject(t, texts)
  const far = scratch(t)
  const file = join(project.root, 'projects/customer-a.star')
  const show = async (
    args: readonly string[],
    cwd = project.root,
    env = {},
  ): Promise<Record<string, { value: string }>> => {
    const ran = await project.yoe(args, { cwd, env })
    assert.equal(ran.code, 0, ran.stderr)
    return JSON.parse(ran.stdout)
  }
  assert.equal((await show(['config', 'show', '--json']))['project']?.value, 'default')
  const ways = [
    await show(['config', 'show', '--json', '--project', 'projects/customer-a.star']),
    await show(['--project', 'projects/customer-a.star', 'config', 'show', '--json']),
    await show([`--project=${file}`, 'config', 'show', '--json'], far),
    await show(['config', 'show', '--json'], far, { YOE_PROJECT: file }),
    await show(['config', 'show', '--json', '--project', 'customer-a.star'], join(project.root, 'projects')),
  ]
  for (const settings of ways) {
    assert.equal(settings['project']?.value, 'customer-a')
    assert.equal(settings['machine']?.value, 'box', 'the folders of the root are its own')
    assert.equal(settings['cache']?.value, join(project.root, 'cache'))
  }
  const wrong = await project.yoe(['key', 'show', '--project', 'projects/wrong.star'])
  assert.match(wrong.stderr, /PROJECT_INVALID\]: projects\/wrong\.star:1: projects\/wrong\.star calls no project/)
})

test('projects of one root keep what they evaluated apart, and clean removes only its own', async (t) => {
  const project = testProject(t, texts)
  for (const folder of ['build/debian/shared.x86_64', 'build/@projects+customer-a/debian/shared.x86_64']) {
    mkdirSync(join(project.root, folder), { recursive: true })
    writeFileSync(join(project.root, folder, 'build.log'), `${folder}\n`)
  }
  const log = async (...args: string[]): Promise<string> => (await project.yoe(['log', 'shared', ...args])).stdout
  assert.equal(await log(), 'build/debian/shared.x86_64\n')
  const other = ['--project', 'projects/customer-a.star']
  assert.equal(await log(...other), 'build/@projects+customer-a/debian/shared.x86_64\n')
  for (let round = 0; round < 2; round++) {
    assert.equal((await project.yoe(['key', 'show'])).code, 0)
    assert.equal((await project.yoe(['key', 'show', ...other])).code, 0)
  }
  assert.equal(readdirSync(join(project.root, 'build/.evaluated')).length, 2)
  assert.equal((await project.yoe(['clean'])).code, 0)
  assert.deepEqual(readdirSync(join(project.root, 'build')), ['@projects+customer-a'])
  assert.equal((await project.yoe(['clean', ...other])).code, 0)
  assert.deepEqual(readdirSync(join(project.root, 'build')), [])
})

test('the cache that PROJECT.star names is used and cleaned; local.star and YOE_CACHE outrank it', async (t) => {
  const project = testProject(t, {
    'PROJECT.star': 'project(name = "demo", version = "1.0", cache = cache(path = "../kept"))\n',
  })
  const cache = async (env = {}): Promise<string> =>
    JSON.parse((await project.yoe(['config', 'show', '--json'], { env })).stdout).cache.value
  const kept = join(project.root, '../kept')
  assert.equal(await cache(), kept)
  project.write({ 'local.star': 'cache = "mine"\n' })
  assert.equal(await cache(), join(project.root, 'mine'))
  assert.equal(await cache({ YOE_CACHE: '/tmp/yoe-nowhere' }), '/tmp/yoe-nowhere')
  project.write({ 'local.star': '' })
  mkdirSync(join(kept, 'objects'), { recursive: true })
  assert.equal((await project.yoe(['clean', '--all'])).code, 0)
  assert.ok(!existsSync(kept))
})

test('a project in a folder with spaces and other letters', async (t) => {
  const folder = scratch(t)
  const root = join(folder, 'mein Gerät (neu)')
  const project = projectIn(root, join(folder, 'home'))
  project.write({ ...texts, 'commands/where.star': whereCommand })
  assert.equal((await project.yoe(['key', 'show', '--project', 'projects/customer-a.star'])).code, 0)
  assert.equal((await project.yoe(['config', 'set', 'parallel-builds', '2'])).code, 0)
  assert.equal((await project.yoe(['where'])).stdout, `${root}\n`)
})

const whereCommand = `command(name = "where", description = "Tells")

def run(ctx):
    ctx.shell("pwd")
`

test('init: an unknown machine makes nothing and is told which there are', async (t) => {
  const folder = scratch(t)
  const project = projectIn(folder, join(folder, 'home'))
  const ran = await project.yoe(['init', 'fine', '--machine', 'raspberrypi9'])
  assert.equal(ran.code, 2)
  assert.match(ran.stderr, /there is no machine "raspberrypi9"\n {2}hint: .*qemu-arm64/)
  assert.ok(!existsSync(join(folder, 'fine')))
})

test('init: starts in the fresh clone of a new repository, and touches nothing that is there', async (t) => {
  const folder = scratch(t)
  const project = projectIn(folder, join(folder, 'home'))
  const root = join(folder, 'fine')
  mkdirSync(join(root, '.git'), { recursive: true })
  writeFileSync(join(root, 'README.md'), '# mine\n')
  writeFileSync(join(root, '.gitignore'), '*.o\nbuild/')
  const made = await project.yoe(['init', 'fine', '--machine', 'qemu-arm64', '--ci', '--json'])
  assert.equal(made.code, 0, made.stderr)
  const { files } = JSON.parse(made.stdout)
  assert.ok(
    files.includes('.github/workflows/images.yml') && files.includes('PROJECT.star') && !files.includes('README.md'),
  )
  assert.equal(readFileSync(join(root, 'README.md'), 'utf8'), '# mine\n')
  assert.equal(readFileSync(join(root, '.gitignore'), 'utf8'), '*.o\nbuild/\ncache/\nrepo/\nlocal.star*\n')
  const listed = await project.yoe(['config', 'show', '--json'], { cwd: root })
  assert.equal(JSON.parse(listed.stdout).machine.value, 'qemu-arm64')
  const again = await project.yoe(['init', 'fine'])
  assert.match(again.stderr, /is not empty: it has /)
})
