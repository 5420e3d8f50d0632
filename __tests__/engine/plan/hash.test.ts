import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch, writeTexts } from '../../support/project.ts'
import { targets, texts } from './everything.ts'
import { plan, planAt } from './fake-world.ts'

const golden = {
  'debian/app.x86_64': '29fa6316518afced74a2020993579f0fc623f8f66152a04adfbd88ce0ff7b268',
  'debian/board.box': '593e3d55206bea2dccc40c5e845ea134e2b76ec7f6f0966adce1074993a8a66b',
  'debian/cloned.x86_64': '68bb174719821609a320bbd37e7509003a990e34a5910fe65a485804afa0fbab',
  'debian/got.x86_64': '8d673d100d289b9c70abf84685e6b081f42f73fe28b1edede3bc01d720ee23d6',
  'debian/im.box': '719065cd17080fdea3513d02a162dabf187cd5eb9a415c408862023c0f72114d',
  'debian/lib.x86_64': '772483c30aafc56f44b10d97220cf52d45cbecf306fc5f61599b7db01eed8d67',
  'debian/loader.x86_64': '1a0afb6adb71f05419f3043d8fb49892a0ff5aeec97b48d92ce9e4eaf417e759',
  'debian/modular.x86_64': '2ba8d569e1d69530c498cdaaee2fb6b0e8e769561946f928a78eb54d27c10020',
  'debian/scripted.x86_64': '0b38951325b8807ecc3513341e3ce53f3130fe37ecb683c7965525257e707354',
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
