import assert from 'node:assert/strict'
import { test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import type { ModuleReference } from '#engine/modules/reference.ts'
import { identityOf } from '#engine/modules/reference.ts'
import { resolveModules } from '#engine/modules/resolve.ts'

/** `hal@v1` is a module of https://example.org/hal; `hal@v1!fork` one of https://fork/hal; `hal` alone ships with yoe. */
function reference(text: string, asker: string): ModuleReference {
  const [, name = '', ref, host = 'example.org'] = /^([\w-]+)(?:@([^!]+))?(?:!(\w+))?$/.exec(text) ?? []
  const at = { file: asker === '' ? 'PROJECT.star' : `@${asker}//MODULE.star`, line: 1, column: 1 }
  if (ref === undefined) return { name, from: { kind: 'shipped' }, at }
  return { name, from: { kind: 'git', url: `https://${host}/${name}.git`, ref, path: '' }, at }
}

/**
 * @param graph `project: a@v1 b@v1` and, for every module that asks for something, `a@v1: hal@v1`
 * @returns the modules in rising priority, or every error
 */
async function resolved(graph: string): Promise<string> {
  const lines = new Map(graph.split('\n').map((line) => line.split(':').map((part) => part.trim()) as [string, string]))
  const listed = (lines.get('project') ?? '').split(' ').filter((word) => word !== '')
  const deps = new Map(
    [...lines].map(([asker, words]) => [
      identity(asker),
      words.split(' ').map((word) => reference(word, nameOf(asker))),
    ]),
  )
  const errors: YoeError[] = []
  const modules = await resolveModules(
    listed.map((word) => reference(word, '')),
    {
      open: async (demands) =>
        demands.map(({ reference: { name, from } }) => ({ deps: deps.get(identityOf(name, from)) ?? [] })),
      fail: (code, message, options) => errors.push(new YoeError(code, message, options)),
    },
  )
  if (errors.length > 0) return errors.map(({ code, message, hint }) => `${code} ${message} | ${hint}`).join('\n')
  return modules.map(({ reference: { name, from } }) => (from.kind === 'git' ? `${name}@${from.ref}` : name)).join(' ')
}

const nameOf = (word: string): string => word.replace(/[@!].*$/, '')
function identity(word: string): string {
  const { name, from } = reference(word, '')
  return identityOf(name, from)
}

const answers: Readonly<Record<string, readonly [graph: string, want: string]>> = {
  'the list, in its order': ['project: b@v1 a@v1 core', 'b@v1 a@v1 core'],
  'what a module brings lies right below it': [
    'project: a@v1 b@v1\nb@v1: hal@v1\nhal@v1: fw@v5',
    'a@v1 fw@v5 hal@v1 b@v1',
  ],
  'what two bring lies below both': ['project: a@v1 b@v1\na@v1: hal@v1\nb@v1: hal@v1', 'hal@v1 a@v1 b@v1'],
  'the project has the last word': ['project: a@v1 hal@v1.4\na@v1: hal@v1.3', 'a@v1 hal@v1.4'],
  'the project has the last word, downwards too': ['project: hal@v1.2 a@v1\na@v1: hal@v1.3', 'hal@v1.2 a@v1'],
  'a shipped module serves': ['project: core a@v1\na@v1: core@main', 'core a@v1'],
  'another repository of the name serves, when the project says so': [
    'project: hal@v1!fork a@v1\na@v1: hal@v3',
    'hal@v1 a@v1',
  ],
  'a diamond takes the highest': ['project: a@v1 b@v1\na@v1: hal@v1.9\nb@v1: hal@v1.10', 'hal@v1.10 a@v1 b@v1'],
  'a release is above its candidates': [
    'project: a@v1 b@v1\na@v1: hal@v2.0.0-rc.1\nb@v1: hal@v2.0.0',
    'hal@v2.0.0 a@v1 b@v1',
  ],
  'only the chosen version brings something': [
    'project: a@v1 b@v1\na@v1: hal@v1\nb@v1: hal@v2\nhal@v1: old@v1',
    'hal@v2 a@v1 b@v1',
  ],
  'what the chosen version brings': [
    'project: a@v1 b@v1\na@v1: hal@v1\nb@v1: hal@v2\nhal@v2: new@v1',
    'new@v1 hal@v2 a@v1 b@v1',
  ],
  'names like those of JavaScript': [
    'project: constructor@v1\nconstructor@v1: toString@v1',
    'toString@v1 constructor@v1',
  ],
  nothing: ['project:', ''],
}
for (const [name, [graph, want]] of Object.entries(answers)) {
  test(`modules: ${name}`, async () => assert.equal(await resolved(graph), want))
}

const say = 'say in PROJECT.star which is meant'
const faults: Readonly<Record<string, readonly [graph: string, want: string]>> = {
  'two repositories of one name': [
    'project: a@v1 b@v1\na@v1: c@v1\nc@v1: hal@v1\nb@v1: hal@v1!fork',
    `MODULE_CONFLICT two modules are called "hal":
  https://fork/hal at v1 (project → b → hal)
  https://example.org/hal at v1 (project → a → c → hal) | ${say}: modules = [module("https://fork/hal", ref = "v1"), …]`,
  ],
  'refs that nobody can compare': [
    'project: a@v1 b@v1\na@v1: hal@main\nb@v1: hal@v1',
    `MODULE_CONFLICT module "hal" is wanted at refs of which none is known to be the newer:
  https://example.org/hal at main (project → a → hal)
  https://example.org/hal at v1 (project → b → hal) | ${say}: modules = [module("https://example.org/hal", ref = "main"), …]`,
  ],
  'shipped against fetched': [
    'project: a@v1 b@v1\na@v1: core\nb@v1: core@v1',
    `MODULE_CONFLICT two modules are called "core":
  yoe:core (project → a → core)
  https://example.org/core at v1 (project → b → core) | ${say}: modules = [module("yoe:core"), …]`,
  ],
  'a cycle': [
    'project: a@v1\na@v1: b@v1\nb@v1: c@v1\nc@v1: a@v1',
    'DEP_CYCLE module dep cycle: a → b → c → a | take one of these deps out',
  ],
  'a cycle below': [
    'project: x@v1\nx@v1: a@v1\na@v1: b@v1\nb@v1: a@v1',
    'DEP_CYCLE module dep cycle: a → b → a | take one of these deps out',
  ],
  itself: ['project: a@v1\na@v1: a@v1', 'DEP_CYCLE module dep cycle: a → a | take one of these deps out'],
  'itself, at another version': [
    'project: x@v1\nx@v1: a@v1\na@v1: a@v0',
    'DEP_CYCLE module dep cycle: a → a | take one of these deps out',
  ],
  'a cycle of what the project lists': [
    'project: a@v1 b@v1\na@v1: b@v1\nb@v1: a@v1',
    'DEP_CYCLE module dep cycle: a → b → a | take one of these deps out',
  ],
}
for (const [name, [graph, want]] of Object.entries(faults)) {
  test(`modules: ${name} is refused`, async () => assert.equal(await resolved(graph), want))
}

test('modules: which versions are taken does not depend on the order of declarations', async () => {
  const lines = ['a@v1: hal@v1.2 fw@v3', 'b@v1: hal@v1.10', 'hal@v1.10: fw@v4', 'c@v1: fw@v3.9 hal@1.10.0']
  const orders = permutations(['a@v1', 'b@v1', 'c@v1'])
  const answersOf = await Promise.all(
    orders.map(async (order) =>
      (await resolved([`project: ${order.join(' ')}`, ...lines].join('\n'))).split(' ').sort().join(' '),
    ),
  )
  assert.deepEqual([...new Set(answersOf)], ['a@v1 b@v1 c@v1 fw@v4 hal@1.10.0'])
})

function permutations(words: readonly string[]): readonly (readonly string[])[] {
  if (words.length === 0) return [[]]
  return words.flatMap((word) => permutations(words.filter((other) => other !== word)).map((rest) => [word, ...rest]))
}
