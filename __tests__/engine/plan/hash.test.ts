import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch, writeTexts } from '../../support/project.ts'
import { targets, texts } from './everything.ts'
import { plan, planAt } from './fake-world.ts'

const golden = {
  'debian/app.x86_64': 'f2987a1068ad3a8cfdc8202fcd109fb7bf5500d60acdbeaff6adca11d0f30d5e',
  'debian/board.box': 'f76efa7c192f836da8dc1df71eab490262f2e39102f722232af30196eff814f9',
  'debian/cloned.x86_64': '2783c2cca36fc8eb5c31e324c5fa1d1ae35f1b2ce04a118dd2623a83c6d8e8cf',
  'debian/got.x86_64': '97d39103ba2f05af014e694919042fece59eb60e14c50bba8481f1e70ae83a88',
  'debian/im.box': '1d4f8cef031cad6ad3b7f6b976f7b370803de2d0de102ff3a058bf1e1d484834',
  'debian/lib.x86_64': '747967e45e75b5e4743afa0cb42861c0e84ba5ef1ed5da35249e7efb06f6a422',
  'debian/loader.x86_64': '289380a8fcac47b20f4a1a62501a6c088bc038971a6616f462f207aee0b05e86',
  'debian/modular.x86_64': '0081c9db61cf686fa61e3062c3701e504ac116d5827199a562e9fb6a7a16eec9',
  'debian/scripted.x86_64': '21d72bcb8674385635215a68ff3fda1771b1131fd924c5370675c552ed50b046',
  'debian/shell.x86_64': '81172be7db44533b9ec225e87ea0cab80ef5a22f01c055e68362a0691b1553fe',
  'debian/toolchain-fake.x86_64': '5b34ab64fb9dadf258a6dccd2aeb61eed94087ce0b09013adb39c620f5b5a03e',
  'debian/tools-fake.x86_64': 'a026bd623ad569d10836de51d7a7ccd9e33aba4889f7c7850202fc4cc76df5ff',
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

test('keys are what they were: who changes them on purpose raises the revision of their kind', async () => {
  const { hashes } = await unchanged
  assert.deepEqual(hashes, golden)
})
