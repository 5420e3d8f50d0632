import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch, writeTexts } from '../../support/project.ts'
import { targets, texts } from './everything.ts'
import { plan, planAt } from './fake-world.ts'

const golden = {
  'debian/app.x86_64': 'acf21b8ad9861ded42434a69f53fb8b637b9fd306763ebfe9d6e86594fbadf72',
  'debian/board.box': '5a5c5a9ca3ec12aa17c9a41f0ed0407acc474712a51ae659f7f96d6fb97fc62e',
  'debian/cloned.x86_64': '72676d81818babd7127ef4f0076b4f895ce28009312e58c96a4b2c2552526947',
  'debian/got.x86_64': '7db61f6b3561989277b9f943b8c8986fe9dbc001fecfa8193d74f9dab03b64b6',
  'debian/im.box': '03c5f65edffe1f686579a829fb3ef821ee01a13c2e70a1b0cdfde8d7eab2dbe2',
  'debian/lib.x86_64': '703f31ba90f139bceb009888c1ded431156081d4df32fb370a4d5b6ac02548fe',
  'debian/loader.x86_64': '4d93baa8458407578d349a9e04eb9c9844cb6b2fc764456782ceb974ec4e1187',
  'debian/modular.x86_64': 'a7d2e137e83ebfb59c96832963a5e6f498ba5533eb13a76ca1b0ec682670406f',
  'debian/scripted.x86_64': 'f34a33f5deaa9bdf1d62bb843f660e75afe2847f04d70b0094d6268c63e8b6d0',
  'debian/shell.x86_64': 'e5654e8203575b5a3bc619cf0189f0b7399fe6ac3e5376b585a07a3155c7b9a2',
  'debian/toolchain-fake.x86_64': '93686f0806bd974f1fb097ee55031a97fa1328ab4901ccad9c8fb41506b67e58',
  'debian/tools-fake.x86_64': '25e2964ea5cdfc66374b1acc5b301a2741d0164344e7fb7fb4c39c442fc97c8f',
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
