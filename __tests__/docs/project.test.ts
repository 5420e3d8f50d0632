import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { readDeclared } from './declared.ts'
import { readPage, rowsOf, sectionOf, tooLong } from './tables.ts'

const page = readPage('project.md')
const modules = join(import.meta.dirname, '..', '..', 'modules')

/** How a default stands in a table; several spellings where people would choose another. */
function spellings(value: unknown): readonly string[] {
  if (value === undefined) return ['']
  if (value === true) return ['`True`']
  if (value === false) return ['`False`']
  // A dict that is read into a list of its entries.
  if (Array.isArray(value) && value.length === 0) return ['`[]`', '`{}`']
  if (typeof value === 'number') {
    const octal = `\`0o${value.toString(8)}\``
    return [`\`${value}\``, octal, ...(value % 2 ** 30 === 0 ? [`\`"${value / 2 ** 30}G"\``] : [])]
  }
  return [`\`${JSON.stringify(value)}\``]
}

describe('docs/project.md', () => {
  for (const [name, fields] of Object.entries(readDeclared())) {
    it(`has ${name}() with its fields`, () => {
      const rows = rowsOf(sectionOf(page, name))
      assert.deepEqual([...rows.keys()].sort(), Object.keys(fields).sort())
      for (const [field, { required, fallback }] of Object.entries(fields)) {
        const [, , shown = ''] = rows.get(field) ?? []
        if (required) assert.equal(shown, 'required', field)
        else if (fallback !== 'unknown') assert.ok(spellings(fallback.value).includes(shown), `${field}: ${shown}`)
        else assert.notEqual(shown, 'required', field)
      }
    })
  }

  it('names every machine, unit and container that ships', () => {
    const files = (folder: string): string[] =>
      readdirSync(join(modules, folder)).map((file) => readFileSync(join(modules, folder, file), 'utf8'))
    const machines = files('module-core/machines').flatMap((text) => [...text.matchAll(/^ {4}name = "([^"]+)"/gm)])
    const units = ['module-core/units', 'module-debian/units', 'module-debian/containers'].flatMap((folder) =>
      files(folder).flatMap((text) => [...text.matchAll(/^ +name = "([^"]+)"/gm)]),
    )
    assert.ok(machines.length >= 2 && units.length >= 5)
    for (const [, name] of [...machines, ...units]) assert.ok(page.includes(`\`${name}`), name)
  })

  it('names every variable of a task', () => {
    const source = readFileSync(join(import.meta.dirname, '../../src/engine/build/environment.ts'), 'utf8')
    const variables = [...source.matchAll(/^ {4}([A-Z_]+):|\{ ([A-Z_]+):/gm)].map(
      ([, name, other]) => name ?? other ?? '',
    )
    assert.ok(variables.includes('MACHINE') && variables.includes('DESTDIR'))
    for (const name of variables) assert.ok(page.includes(`\`${name}\``), name)
  })

  it('keeps to the width', () => {
    assert.deepEqual(tooLong(page), [])
  })
})
