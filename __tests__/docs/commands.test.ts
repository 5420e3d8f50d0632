import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { argFields, commandFields, reservedOptions } from '#toolkit/custom/declaration.ts'
import { CommandFiles } from '#toolkit/custom/evaluate.ts'
import { readLocal } from '#toolkit/local/file.ts'
import { localKeyNames } from '#toolkit/local/settings.ts'
import { scratch, writeTexts } from '../support/project.ts'
import { readPage, rowsOf, sectionOf, sectionStarting } from './tables.ts'

const sample = (page: string): string => /```python\n([\s\S]*?)```/.exec(page)?.[1] ?? ''

describe('docs/local.md', () => {
  const page = readPage('local.md')

  it('has every setting', () => {
    assert.deepEqual([...rowsOf(sectionStarting(page, '## Settings').body).keys()], localKeyNames)
  })

  it('shows a file that is read', (t) => {
    const root = scratch(t)
    writeFileSync(join(root, 'local.star'), sample(page))
    assert.equal(readLocal(root).settings.machine, 'qemu-arm64')
  })
})

describe('docs/commands.md', () => {
  const page = readPage('commands.md')

  it('has every field', () => {
    assert.deepEqual([...rowsOf(sectionOf(page, 'command')).keys()], Object.keys(commandFields))
    assert.deepEqual([...rowsOf(sectionOf(page, 'arg')).keys()].sort(), Object.keys(argFields).sort())
    for (const name of reservedOptions) assert.ok(page.includes(`\`--${name}\``), name)
  })

  it('shows a command that can be run', async (t) => {
    const root = scratch(t)
    writeTexts(root, { 'commands/deploy.star': sample(page) })
    const files = await CommandFiles.open({ root, modules: [] }, () => {})
    const place = { module: '', path: 'commands/deploy.star' }
    const { declaration } = await files.evaluate({ name: 'deploy', module: '', place })
    assert.deepEqual(
      declaration.args.map(({ name, type, required }) => [name, type, required]),
      [
        ['target', 'string', true],
        ['image', 'string', false],
        ['reboot', 'bool', false],
      ],
    )
  })
})
