import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Texts } from '../../support/project.ts'
import { evaluate, shown } from './evaluating.ts'

/** The artifacts of an image that asks for a closure, or what is wrong. */
async function closure(call: string, texts: Texts): Promise<string> {
  const { evaluated, errors } = await evaluate({
    ...texts,
    'images/i.star': `image(name = "im", artifacts = ${call})\n`,
  })
  if (errors.length > 0) return errors.map(shown).join('\n')
  const image = evaluated?.project.units.find((unit) => unit.kind === 'image')
  return image?.kind === 'image' ? image.artifacts.join(' ') : ''
}

/** `a:b,c` is a unit a that needs b and c. */
function units(text: string): string {
  return text
    .split(' ')
    .map((entry) => {
      const [name = '', needs = ''] = entry.split(':')
      const deps = needs === '' ? '' : `, runtime_deps = ${JSON.stringify(needs.split(','))}`
      return `unit(name = "${name}", version = "1"${deps})\n`
    })
    .join('')
}

const rows: Readonly<Record<string, readonly [units: string, call: string, said: string]>> = {
  'what is needed comes first': ['aa:bb bb:cc cc', 'resolve_closure(["aa"])', 'cc bb aa'],
  'each once': ['aa:cc bb:cc cc', 'resolve_closure(["aa", "bb", "aa"])', 'cc aa bb'],
  'in the order of the names': ['aa bb cc', 'resolve_closure(["cc", "aa"])', 'cc aa'],
  'in the order of dependencies': ['aa:cc,bb bb cc', 'resolve_closure(["aa"])', 'cc bb aa'],
  'a circle ends': ['aa:bb bb:aa', 'resolve_closure(["aa"])', 'bb aa'],
  'a unit that needs itself': ['aa:aa', 'resolve_closure(["aa"])', 'aa'],
  'packages of feeds stand for themselves': ['aa:libc6', 'resolve_closure(["bash", "aa"])', 'bash libc6 aa'],
  'the first alternative that is a unit': ['aa:xx|bb|cc bb cc', 'resolve_closure(["aa"])', 'bb aa'],
  'the first alternative where none is': ['aa:xx|yy', 'resolve_closure(["aa"])', 'xx aa'],
  'a version is no part of a name': ['aa:bb>=2 bb', 'resolve_closure(["aa"])', 'bb aa'],
  'nothing of nothing': ['aa', 'resolve_closure([])', ''],
  'names by keyword': ['aa:bb bb', 'resolve_closure(artifacts = ["aa"], distro = "debian")', 'bb aa'],
  'names like the ones of JavaScript': [
    'constructor:valueof valueof',
    'resolve_closure(["constructor"])',
    'valueof constructor',
  ],
  'no list': [
    'aa',
    'resolve_closure("aa") or ["aa"]',
    'images/i.star:1: BAD_FIELD resolve_closure(): artifacts must be a list, not the string "aa"',
  ],
  'no names': [
    'aa',
    'resolve_closure(["../x"]) or ["aa"]',
    'images/i.star:1: BAD_FIELD resolve_closure(): artifacts[0] must be the name of a unit or package: letters, digits, "+", "-", "_" and ".", starting with a letter or digit; "../x" is not',
  ],
}

for (const [what, [declared, call, said]] of Object.entries(rows)) {
  test(`resolve_closure: ${what}`, async () => {
    assert.equal(await closure(call, { 'units/u.star': units(declared) }), said)
    // The same whatever the order of declarations.
    const shuffled = declared.split(' ').toReversed().join(' ')
    assert.equal(await closure(call, { 'units/u.star': units(shuffled) }), said)
  })
}

test('resolve_closure: a chain of ten thousand', async () => {
  const chain = Array.from({ length: 10_000 }, (_, index) => `u${index}${index < 9_999 ? `:u${index + 1}` : ''}`)
  const found = await closure('resolve_closure(["u0"])[:3]', { 'units/u.star': units(chain.join(' ')) })
  assert.equal(found, 'u9999 u9998 u9997')
})

test('resolve_closure: modules, virtual names and what distros add', async () => {
  const texts = {
    'PROJECT.star':
      'project(name = "demo", defaults = defaults(distro = "debian"), modules = [module(local = "mm")])\n',
    'mm/units/u.star':
      'unit(name = "aa", version = "1", runtime_deps = ["old"])\nunit(name = "sshd", version = "1", provides = ["ssh"])\n',
    'units/u.star':
      'unit(name = "aa", version = "2", runtime_deps = ["ssh"], distro_runtime_deps = {"debian": ["dd"], "ubuntu": ["uu"]})\nunit(name = "dd", version = "1", distro = "debian", runtime_deps = ["late"])\n',
    'units/z.star': 'extend("dd", runtime_deps = ["later"])\n',
  }
  assert.equal(await closure('resolve_closure(["aa"])', texts), 'sshd late later dd aa')
  assert.equal(await closure('resolve_closure(["aa"], distro = "ubuntu")', texts), 'sshd uu aa')
})

test('resolve_closure: of several distros one must be meant', async () => {
  const texts = {
    'units/u.star':
      'unit(name = "aa", version = "1", distros = ["debian", "ubuntu"])\nunit(name = "bb", version = "1", distro = "alpine")\n',
  }
  assert.equal(
    await closure('resolve_closure(["aa"]) or ["aa"]', texts),
    'images/i.star:1: BAD_FIELD resolve_closure(): distro is missing | units of this project are for alpine, debian, ubuntu: say which, or set defaults(distro = …)',
  )
})

test('resolve_closure: not before every unit is declared', async () => {
  const { errors } = await evaluate({ 'units/u.star': 'x = resolve_closure(["aa"])\n' })
  assert.deepEqual(errors.map(shown), [
    'units/u.star:1: BAD_FIELD resolve_closure() belongs into files under images/: only then every unit is known',
  ])
})
