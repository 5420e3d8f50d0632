import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch, writeTexts } from '../../support/project.ts'
import { targets, texts } from './everything.ts'
import { plan, planAt } from './fake-world.ts'

const golden = {
  'debian/app.x86_64': 'd156c53e14cf48e8eb7652336fc5dca77935749a9aa0cf10a9e181bf9b32bc59',
  'debian/board.box': '0cc36bdcfb07857c9e80ae06b02e2ed4a39f62082f34dffa5c31eac65b60f70f',
  'debian/cloned.x86_64': 'b6085ce48520e0b503d3d98fbc626287401a5d564a38179e4c8a8254b8881370',
  'debian/got.x86_64': '974254f563a6921debe6ed0c6a20b3112103356f766e955ec0d9204297258ea8',
  'debian/im.box': '4c724ad086c4f21557acb3b7da8f100797788654b65dd2287148a757d95ef362',
  'debian/lib.x86_64': '9e5ef9d382c8cb9e7f9a6229884bc82ef3240e089df8a6f248fcdbba1c4a6787',
  'debian/loader.x86_64': '5e4dce4d32f2adb29556577ee04dacb24907475f8d7c608c6383fd2f4dc86f01',
  'debian/modular.x86_64': '18eee57a38e36d306bb935c91554fa25622f5a22d1f6e2e21e848990a375d566',
  'debian/scripted.x86_64': '52b36a693e0e90147cebb5381f52bf28f40e0b7b9abf6244bbac659fd47211f7',
  'debian/shell.x86_64': '8869d85f372ec66e7ff9a5b4a1747b8e263577c4d673a960f00460b3afb684a1',
  'debian/toolchain-fake.x86_64': 'bde35bb676df8fbaf965d76c841f2d177fc60aeced9a7ad4606dff8465f18430',
  'debian/tools-fake.x86_64': '1474acc00acdd250015105fc4c985101e1c7113875e9cca2e3203b0f8e87734d',
}

const unchanged = plan(texts, targets)

test('keys do not depend on where the project lies, who asks, when, where and in which language', async (t) => {
  const { hashes } = await unchanged
  const folder = scratch(t)
  for (const place of ['a', 'b/deeper/päth with spaces']) {
    writeTexts(join(folder, place), texts)
    assert.deepEqual((await planAt(join(folder, place), targets)).hashes, hashes)
  }
  const { TZ, LANG, USER } = process.env
  const [cwd, umask] = [process.cwd(), process.umask(0o077)]
  try {
    Object.assign(process.env, { TZ: 'Asia/Kathmandu', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8', USER: 'somebody' })
    process.chdir('/')
    t.mock.timers.enable({ apis: ['Date'], now: 4_000_000_000_000 })
    writeTexts(join(folder, 'c'), texts)
    assert.deepEqual((await planAt(join(folder, 'c'), targets)).hashes, hashes)
  } finally {
    t.mock.timers.reset()
    process.chdir(cwd)
    process.umask(umask)
    for (const [name, value] of Object.entries({ TZ, LANG, LC_ALL: undefined, USER })) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
})

test('the order in which things are asked for changes no key', async () => {
  const { hashes } = await unchanged
  assert.deepEqual((await plan(texts, targets.toReversed())).hashes, hashes)
})

test('documents hold no path of this machine', async (t) => {
  const root = join(scratch(t), 'project')
  writeTexts(root, texts)
  const { keys } = await planAt(root, targets)
  for (const { inputs } of keys.values()) assert.ok(!JSON.stringify(inputs).includes(root))
})

test('keys are what they were: who changes them on purpose raises engineRevision', async () => {
  const { hashes } = await unchanged
  assert.deepEqual(hashes, golden)
})
