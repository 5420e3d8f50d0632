import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { userErrors } from '#engine/errors.ts'
import { evaluateAt, shown } from '../engine/project/evaluating.ts'
import { bareProject, writeTexts } from '../support/project.ts'
import { formatSamples } from './samples/format.ts'
import { namingSamples } from './samples/naming.ts'
import type { Sample } from './samples/sample.ts'
import { readPage, sectionStarting } from './tables.ts'

const samples = { ...formatSamples, ...namingSamples }

/** Names of units, or the errors. Modules of repositories lie in `.modules/` of the project. */
async function outcome({
  texts,
  machine,
}: Sample): Promise<{ readonly units: readonly string[]; readonly said: readonly string[] }> {
  const root = mkdtempSync(join(tmpdir(), 'yoe-sample-'))
  try {
    writeTexts(root, { 'PROJECT.star': bareProject, ...texts })
    const { project } = await evaluateAt(root, machine, (name) => {
      mkdirSync(join(root, '.modules', name), { recursive: true })
      return join(root, '.modules', name)
    })
    // module-core has some of its own.
    const units = project.units.filter(({ module }) => module !== 'module-core')
    return { units: units.map(({ name }) => name), said: [] }
  } catch (failure) {
    const errors = userErrors(failure)
    if (errors === undefined) throw failure
    return { units: [], said: errors.map((error) => shown(error).replace(/ \| .*/s, '')) }
  } finally {
    rmSync(root, { recursive: true })
  }
}

for (const [what, sample] of Object.entries(samples)) {
  test(`${sample.section}: ${what} ${sample.said === undefined ? 'works' : 'is different here'}`, async () => {
    const { units, said } = await outcome(sample)
    if (sample.said === undefined) assert.deepEqual({ units, said }, { units: sample.units, said: [] })
    else assert.equal(said[0], sample.said)
  })
}

test('docs/conformance.md gives the reason of every sample that is different here, and of no other', () => {
  const { body } = sectionStarting(readPage('conformance.md'), '## Samples')
  const rows = [...body.matchAll(/^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)].slice(1)
  const listed = rows.map(([, section = '', what = '']) => `${section}: ${what}`).filter((row) => !row.startsWith('-'))
  const different = Object.entries(samples).flatMap(([what, { section, said }]) =>
    said === undefined ? [] : [`${section}: ${what}`],
  )
  assert.deepEqual(listed.toSorted(), different.toSorted())
})
