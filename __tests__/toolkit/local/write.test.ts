import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { userErrors } from '#engine/errors.ts'
import { readLocal } from '#toolkit/local/file.ts'
import { writeLocal } from '#toolkit/local/write.ts'
import { ending } from '../../support/processes.ts'
import { checkout, scratch } from '../../support/project.ts'

const header = `# What this checkout is built with on this machine; not to be committed.
# Written by yoe config set, which keeps comments above and beside settings.
`

test('settings are sorted, and written once', async (t) => {
  const root = scratch(t)
  const path = join(root, 'local.star')
  assert.equal(await writeLocal(root, new Map([['qemu_ports', ['9000:9000']]])), true)
  assert.equal(await writeLocal(root, new Map([['machine', 'box']])), true)
  assert.equal(
    await writeLocal(root, new Map([['mirrors', new Map([['https://a.example/"x"/', 'http://b.example/\\/']])]])),
    true,
  )
  const text = `${header}
machine = "box"
mirrors = {"https://a.example/\\"x\\"/": "http://b.example/\\\\/"}
qemu_ports = ["9000:9000"]
`
  assert.equal(readFileSync(path, 'utf8'), text)
  const { ino } = statSync(path)
  assert.equal(await writeLocal(root, new Map([['machine', 'box']])), false)
  assert.equal(statSync(path).ino, ino, 'what is said already is not written')
  assert.equal(await writeLocal(root, new Map([['image', undefined]])), false)
  assert.equal(await writeLocal(root, new Map([['machine', undefined]])), true)
  assert.deepEqual(readLocal(root).settings.machine, undefined)
  assert.deepEqual(readdirSync(root), ['local.star'], 'no lock and nothing temporary is left')
})

test('comments stay with their settings', async (t) => {
  const root = scratch(t)
  const before = '# mine\n\n# the desk\nmachine = "box"  # by the window\n# fast\nparallel_builds = 2\n# end\n'
  writeFileSync(join(root, 'local.star'), before)
  await writeLocal(
    root,
    new Map<'machine' | 'image', string>([
      ['machine', 'other'],
      ['image', 'dev-image'],
    ]),
  )
  const want = `${header}# mine
# end

image = "dev-image"
# the desk
machine = "other"  # by the window
# fast
parallel_builds = 2
`
  assert.equal(readFileSync(join(root, 'local.star'), 'utf8'), want)
  await writeLocal(root, new Map([['image', undefined]]))
  await writeLocal(root, new Map([['image', 'dev-image']]))
  assert.equal(readFileSync(join(root, 'local.star'), 'utf8'), want, 'and the header is not doubled')
})

test('a wrong setting can be mended by setting it, and keeps others from being set', async (t) => {
  const root = scratch(t)
  writeFileSync(join(root, 'local.star'), 'parallel_builds = "many"\n')
  await assert.rejects(writeLocal(root, new Map([['image', 'dev-image']])), (failure: unknown) => {
    assert.deepEqual(
      userErrors(failure)?.map(({ code, at }) => [code, at?.line]),
      [['BAD_FIELD', 1]],
    )
    return true
  })
  assert.equal(readFileSync(join(root, 'local.star'), 'utf8'), 'parallel_builds = "many"\n')
  await writeLocal(root, new Map([['parallel_builds', 3]]))
  assert.equal(readLocal(root).settings.parallel_builds, 3)
})

test('two processes, a hundred rounds each: no update is lost, and every reader finds a whole file', async (t) => {
  const root = scratch(t)
  const rounds = 100
  const writer = async (key: string): Promise<string> => {
    const script = `
      const { writeLocal } = await import(${JSON.stringify(join(checkout, 'src/toolkit/local/write.ts'))})
      const { readLocal } = await import(${JSON.stringify(join(checkout, 'src/toolkit/local/file.ts'))})
      const [root, key] = process.argv.slice(1)
      for (let round = 1; round <= ${rounds}; round++) {
        await writeLocal(root, new Map([[key, 'v' + round]]))
        const { settings } = readLocal(root)
        if (settings[key] !== 'v' + round) throw new Error(key + ' is ' + settings[key] + ' after round ' + round)
      }`
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script, root, key],
      { cwd: checkout, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    const { code, stderr } = await ending(child)
    return code === 0 ? 'done' : stderr
  }
  let reads = 0
  const both = Promise.all(['machine', 'image'].map(writer))
  const watching = setInterval(() => {
    readLocal(root)
    reads++
  }, 1)
  assert.deepEqual(await both, ['done', 'done'])
  clearInterval(watching)
  assert.ok(reads > rounds)
  assert.deepEqual(readLocal(root).settings, { machine: `v${rounds}`, image: `v${rounds}` })
  assert.deepEqual(readdirSync(root), ['local.star'])
})

test('a project that can not be written to', {
  skip: process.getuid?.() === 0 && 'root writes anywhere',
}, async (t) => {
  const root = join(scratch(t), 'sealed')
  mkdirSync(root, { mode: 0o555 })
  await assert.rejects(writeLocal(root, new Map([['machine', 'box']])), { code: 'PERMISSION' })
})
