import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { readPage, rowsOf, sectionOf, tooLong } from './tables.ts'

const page = readPage('classes.md')
const folder = join(import.meta.dirname, '..', '..', 'modules', 'module-core', 'classes')

/** What classes share among themselves. */
const internal = new Set(['apps.star', 'commands.star'])
/** Functions for classes, and the file of each. */
const helpers = new Map([
  ['check_flag', 'arguments.star'],
  ['check_lists', 'arguments.star'],
  ['check_text', 'arguments.star'],
  ['merge_tasks', 'tasks.star'],
  ['strip_task', 'strip.star'],
])

const classes = readdirSync(folder)
  .filter((file) => file.endsWith('.star') && !internal.has(file))
  .flatMap((file) =>
    [...readFileSync(join(folder, file), 'utf8').matchAll(/^def ([a-z]\w*)\(([^)]*)\):/gm)].map(
      ([, name = '', parameters = '']) => ({ file, name, parameters: named(parameters) }),
    ),
  )

/** The names of a function's parameters, but for those that every class has. */
function named(parameters: string): readonly string[] {
  return parameters
    .replaceAll(/\[[^\]]*\]/g, '[]')
    .split(',')
    .map((parameter) => parameter.split('=')[0]?.trim() ?? '')
    .filter((parameter) => parameter !== '' && !parameter.startsWith('**') && parameter !== 'tasks')
}

describe('docs/classes.md', () => {
  it('knows the classes', () => assert.ok(classes.length > helpers.size + 8))

  for (const { file, name, parameters } of classes)
    it(`has ${name} with its fields`, () => {
      if (helpers.has(name)) {
        assert.ok(page.includes(`| \`${name}(`) && helpers.get(name) === file, name)
        return
      }
      const declares = parameters.includes('version')
      const own = declares ? parameters.filter((each) => each !== 'name' && each !== 'version') : parameters
      assert.deepEqual([...rowsOf(sectionOf(page, name)).keys()].sort(), own.toSorted())
      if (declares) assert.ok(page.includes(`| [\`${name}\`](#${name}) | \`${file}\` |`), 'the table of all classes')
    })

  it('keeps to the width', () => assert.deepEqual(tooLong(page), []))
})
