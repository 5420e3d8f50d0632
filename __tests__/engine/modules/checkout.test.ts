import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkoutFolder, checkoutModule, countCommits } from '#engine/modules/checkout.ts'
import { gitDaemon, TestRepository } from '../../support/git.ts'
import { litter, Scratch } from '../store/fixture.ts'

const wanted = (url: string, commit: string, path = '') => ({
  name: 'hal',
  url,
  candidates: [url],
  commit,
  path,
  offline: false,
})

/** Files that attributes and filters would change, and what a hostile repository may hold. */
const texts = {
  'MODULE.star': 'module_info(name = "hal")\r\n',
  '.gitattributes': '*.star text eol=lf\nhidden export-ignore\n* ident\n*.evil filter=evil\n',
  hidden: '$Id$',
  'modules/core/MODULE.star': 'core',
  'modules/core/units/zlib.star': '',
}

test('checkout: the committed bytes of the module’s folder, its links and modes, and nothing else', async () => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  const origin = new TestRepository(join(scratch.path, 'origin'), {})
  origin.git('config', 'core.autocrlf', 'false')
  symlinkSync('../../etc/passwd', join(origin.folder, 'link'))
  writeFileSync(join(origin.folder, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 })
  // Written without filters: what is committed is what stands here.
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(join(origin.folder, path, '..'), { recursive: true })
    writeFileSync(join(origin.folder, path), text)
    const blob = origin.git('hash-object', '-w', '--no-filters', path)
    origin.git('update-index', '--add', '--cacheinfo', `100644,${blob},${path}`)
  }
  origin.git('add', 'link', 'run.sh')
  origin.git('commit', '--quiet', '--message', 'all')
  const commit = origin.head
  assert.equal(await checkoutModule({ store, ...wanted(origin.url, commit) }), true)
  assert.equal(await checkoutModule({ store, ...wanted(origin.url, commit) }), false)
  const all = checkoutFolder(store.root, 'hal', '', commit)
  for (const [path, text] of Object.entries(texts)) assert.equal(readFileSync(join(all, path), 'utf8'), text, path)
  assert.equal(readlinkSync(join(all, 'link')), '../../etc/passwd')
  assert.equal(statSync(join(all, 'run.sh')).mode & 0o777, 0o755)
  assert.ok(!existsSync(join(all, '.git')))
  assert.equal(await checkoutModule({ store, ...wanted(origin.url, commit, 'modules/core') }), true)
  assert.deepEqual(readdirSync(checkoutFolder(store.root, 'hal', 'modules/core', commit)).sort(), [
    'MODULE.star',
    'units',
  ])
  await assert.rejects(checkoutModule({ store, ...wanted(origin.url, commit, 'modules/gone') }), {
    code: 'MODULE_NOT_FOUND',
    message: /origin at [0-9a-f]{40} has no folder modules\/gone/,
  })
  await assert.rejects(checkoutModule({ store, ...wanted(origin.url, commit, 'MODULE.star') }), {
    code: 'MODULE_NOT_FOUND',
  })
  assert.deepEqual(litter(store.root), [])
})

test('checkout: commits that follow are fetched without what is here; the origin may vanish', async (t) => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  const origin = new TestRepository(join(scratch.path, 'all/origin'), { big: 'x'.repeat(1000), a: '1' })
  const url = `${await gitDaemon(t, join(scratch.path, 'all'))}/origin`
  const commits = [origin.head, origin.commit({ a: '2' }), origin.commit({ a: '3' })]
  for (const commit of commits) assert.equal(await checkoutModule({ store, ...wanted(url, commit) }), true)
  const [repository = ''] = readdirSync(join(store.root, 'modules')).filter((name) => name.endsWith('.git'))
  const bare = join(store.root, 'modules', repository)
  const count = execFileSync('git', ['--git-dir', bare, 'cat-file', '--batch-all-objects', '--batch-check'], {
    encoding: 'utf8',
  })
  assert.equal(count.split('\n').filter((line) => line.includes(' blob ')).length, 4, 'each blob once')
  assert.equal(
    await countCommits({
      store,
      url,
      candidates: [url],
      commit: commits[2] ?? '',
      since: commits[0] ?? '',
      offline: false,
    }),
    2,
  )
  rmSync(origin.folder, { recursive: true })
  for (const commit of commits) {
    rmSync(checkoutFolder(store.root, 'hal', '', commit), { recursive: true })
    assert.equal(await checkoutModule({ store, ...wanted(url, commit) }), true)
  }
})

test('checkout: B15 submodules stay empty, whatever they say of themselves', async () => {
  await using scratch = new Scratch()
  const store = await scratch.store()
  const inner = new TestRepository(join(scratch.path, 'inner'), { secret: 'x' })
  const origin = new TestRepository(join(scratch.path, 'origin'), { 'MODULE.star': '' })
  origin.git('submodule', '--quiet', 'add', inner.url, 'sub')
  const modules = `[submodule "../../evil"]\n\tpath = ../../evil\n\turl = ${inner.url}\n`
  writeFileSync(join(origin.folder, '.gitmodules'), modules.replace('path = ../../evil', 'path = sub'))
  origin.git('commit', '--quiet', '--all', '--message', 'sub')
  const commit = origin.head
  // git's own check of what it fetches may refuse it as a whole: that is as good.
  const outcome = await checkoutModule({ store, ...wanted(origin.url, commit) }).catch(
    (failure: Error) => failure.message,
  )
  const folder = checkoutFolder(store.root, 'hal', '', commit)
  if (typeof outcome === 'string') assert.match(outcome, /fsck|gitmodulesName|can't be fetched/)
  else assert.deepEqual(readdirSync(join(folder, 'sub')), [])
  assert.ok(!existsSync(join(store.root, 'modules', 'evil')) && !existsSync(join(store.root, 'evil')))
})

const damages: Readonly<Record<string, (bare: string) => void>> = {
  'without objects': (bare) => rmSync(join(bare, 'objects'), { recursive: true }),
  'with packs that are cut off': (bare) => {
    for (const name of readdirSync(join(bare, 'objects'), { recursive: true, encoding: 'utf8' })) {
      const path = join(bare, 'objects', name)
      if (statSync(path).isFile()) {
        rmSync(path)
        writeFileSync(path, 'x')
      }
    }
  },
  'without a HEAD': (bare) => rmSync(join(bare, 'HEAD')),
  'that is a file': (bare) => {
    rmSync(bare, { recursive: true })
    writeFileSync(bare, '')
  },
  'with locks of the dead': (bare) => {
    for (const name of ['shallow.lock', 'packed-refs.lock', 'config.lock', 'HEAD.lock'])
      writeFileSync(join(bare, name), '')
  },
}
for (const [name, damage] of Object.entries(damages)) {
  test(`checkout: a copy ${name} is fetched anew`, async () => {
    await using scratch = new Scratch()
    const store = await scratch.store()
    const origin = new TestRepository(join(scratch.path, 'origin'), { a: '1' })
    const first = origin.head
    await checkoutModule({ store, ...wanted(origin.url, first) })
    const [repository = ''] = readdirSync(join(store.root, 'modules')).filter((entry) => entry.endsWith('.git'))
    damage(join(store.root, 'modules', repository))
    rmSync(checkoutFolder(store.root, 'hal', '', first), { recursive: true })
    for (const commit of [first, origin.commit({ a: '2' })]) {
      assert.equal(await checkoutModule({ store, ...wanted(origin.url, commit) }), true)
      assert.equal(
        readFileSync(join(checkoutFolder(store.root, 'hal', '', commit), 'a'), 'utf8'),
        commit === first ? '1' : '2',
      )
    }
    assert.deepEqual(litter(store.root), [])
  })
}

const edits: Readonly<Record<string, (folder: string) => void>> = {
  'a byte': (folder) => writeFileSync(join(folder, 'a'), '2'),
  'a file less': (folder) => rmSync(join(folder, 'a')),
  'a file more': (folder) => writeFileSync(join(folder, 'units'), ''),
  'a mode': (folder) => execFileSync('chmod', ['+x', join(folder, 'a')]),
  'a link in the place of a file': (folder) => {
    rmSync(join(folder, 'a'))
    symlinkSync('/etc/passwd', join(folder, 'a'))
  },
}
for (const [name, edit] of Object.entries(edits)) {
  test(`checkout: verifying finds ${name} that is not the commit’s`, async () => {
    await using scratch = new Scratch()
    const store = await scratch.store()
    const origin = new TestRepository(join(scratch.path, 'origin'), { a: '1' })
    const input = { store, ...wanted(origin.url, origin.head), verify: true }
    await checkoutModule(input)
    assert.equal(await checkoutModule(input), false)
    const folder = checkoutFolder(store.root, 'hal', '', origin.head)
    edit(folder)
    assert.equal(await checkoutModule(input), true)
    assert.deepEqual(readdirSync(folder), ['a'])
    assert.equal(readFileSync(join(folder, 'a'), 'utf8'), '1')
  })
}
