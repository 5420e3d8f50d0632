import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Diagnostic } from '#engine/catalog/diagnostics.ts'
import { View } from '#engine/catalog/view.ts'
import { scratch, type Texts, writeTexts } from '../../support/project.ts'
import { evaluateAt } from '../project/evaluating.ts'

const unit = (name: string, more = ''): string => `unit(name = "${name}", version = "1"${more && `, ${more}`})\n`

/** What a project with modules `low` and `high` (which outranks it) shows to a distro. */
async function view(t: Parameters<typeof scratch>[0], texts: Texts, distro = 'debian'): Promise<View> {
  const folder = scratch(t)
  for (const module of ['low', 'high']) mkdirSync(join(folder, module))
  writeTexts(folder, {
    'project/PROJECT.star': 'project(name = "demo", modules = [module(local = "../low"), module(local = "../high")])\n',
    'project/machines/m.star':
      'machine(name = "box", arch = "x86_64", kernel = kernel(unit = "linux-box", provides = "linux"))\n',
    ...texts,
  })
  const { project, machine } = await evaluateAt(join(folder, 'project'))
  assert.ok(machine)
  return new View(project, machine, distro)
}

const told = (one: Diagnostic): string =>
  one.kind === 'shadow'
    ? `${one.name}: ${one.winner.at?.file ?? one.winner.from} over ${one.loser.at?.file ?? one.loser.from} by ${one.why}`
    : `${one.name}: the pin to ${one.pin.module} came to nothing for ${one.distro}`

const found = (seen: View, name: string): string | undefined => {
  const unitFound = seen.find(name)
  return unitFound && `${unitFound.module}:${unitFound.name}`
}

test('the project outranks modules, a later module an earlier one; who lost is known', async (t) => {
  const seen = await view(t, {
    'low/units/u.star': unit('aa') + unit('bb') + unit('cc'),
    'high/units/u.star': unit('aa') + unit('bb'),
    'project/units/u.star': unit('aa'),
  })
  assert.deepEqual(
    ['aa', 'bb', 'cc', 'dd'].map((name) => found(seen, name)),
    [':aa', 'high:bb', 'low:cc', undefined],
  )
  assert.deepEqual(seen.diagnostics.map(told), [
    'aa: units/u.star over @high//units/u.star by module order',
    'aa: units/u.star over @low//units/u.star by module order',
    'bb: @high//units/u.star over @low//units/u.star by module order',
  ])
})

test('a distro sees its own units and those of no distro', async (t) => {
  const texts = {
    'low/units/u.star': unit('aa', 'distro = "debian"') + unit('bb', 'distro = "alpine"') + unit('cc'),
    'high/units/u.star': unit('cc', 'distro = "alpine"'),
  }
  const debian = await view(t, texts)
  assert.deepEqual(
    ['aa', 'bb', 'cc'].map((name) => found(debian, name)),
    ['low:aa', undefined, 'low:cc'],
  )
  const alpine = await view(t, texts, 'alpine')
  assert.deepEqual(
    ['aa', 'bb', 'cc'].map((name) => found(alpine, name)),
    [undefined, 'low:bb', 'high:cc'],
  )
})

test('a name wins over what provides it; providers rank as units do; the machine says which kernel', async (t) => {
  const seen = await view(t, {
    'low/units/u.star': unit('real') + unit('one', 'provides = ["virtual"]') + unit('linux-box'),
    'high/units/u.star': unit('two', 'provides = ["virtual", "real"]') + unit('linux-other', 'provides = ["linux"]'),
  })
  assert.deepEqual(
    ['real', 'virtual', 'linux'].map((name) => found(seen, name)),
    ['low:real', 'high:two', 'low:linux-box'],
  )
  assert.ok(new Set(seen.names()).isSupersetOf(new Set(['real', 'one', 'virtual', 'linux'])))
})

test('what lost its name provides nothing', async (t) => {
  const seen = await view(t, { 'low/units/u.star': unit('aa', 'provides = ["vv"]'), 'high/units/u.star': unit('aa') })
  assert.equal(found(seen, 'vv'), undefined)
})
