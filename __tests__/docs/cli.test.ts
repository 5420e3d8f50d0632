import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Option } from '#cli/command.ts'
import { globalOptions, projectOptions } from '#cli/command.ts'
import { commands } from '#cli/commands.ts'
import { errorCodes, exitCodes } from '#engine/errors.ts'
import { readPage, sectionStarting, tooLong } from './tables.ts'

const page = readPage('cli.md')
const root = join(import.meta.dirname, '..', '..')

describe('docs/cli.md', () => {
  const common = page.slice(page.indexOf('## Options'), page.indexOf('## Commands'))

  it('has the options of every command', () => {
    for (const [name, { value = '', short = '' }] of Object.entries<Option>({ ...globalOptions, ...projectOptions })) {
      assert.ok(common.includes(`\`--${name}${value === '' ? '' : ` ${value}`}\``), name)
      if (short !== '') assert.ok(common.includes(`\`-${short}\``), short)
    }
  })

  for (const [name, entry] of Object.entries(commands)) {
    it(`has yoe ${name} with its options and arguments`, async () => {
      const { options, usage } = await entry.load()
      const { heading, body } = sectionStarting(page, `### \`yoe ${name}`)
      const [, argument = ''] = usage.split(' ')
      if (!argument.startsWith('[-') && name !== 'list')
        assert.ok(heading.includes(argument), `${heading}: ${argument}`)
      for (const [option, { value, short }] of Object.entries(options)) {
        if (Object.hasOwn(projectOptions, option) && name !== 'init') continue
        assert.ok(body.includes(`\`--${option}${value === undefined ? '' : ` ${value}`}\``), option)
        if (short !== undefined)
          assert.ok(body.includes(`\`-${short}${value === undefined ? '' : ` ${value}`}\``), short)
      }
      const described = [...body.matchAll(/^\| `--([a-z-]+)/gm)].map(([, option]) => option ?? '')
      for (const option of described) assert.ok(Object.hasOwn(options, option), `yoe ${name} has no --${option}`)
    })
  }

  it('names every error under its exit code', () => {
    const rows = new Map([...page.matchAll(/^\| ([0-3]) \|.*$/gm)].map(([row, code]) => [Number(code), row]))
    for (const [code, fault] of Object.entries(errorCodes))
      assert.ok(rows.get(exitCodes[fault])?.includes(`\`${code}\``), code)
  })

  it('names every variable that is read', () => {
    const files = globSync('src/**/*.ts', { cwd: root }).filter((file) => !file.startsWith('src/github/'))
    const texts = files.map((file) => readFileSync(join(root, file), 'utf8'))
    const read = new Set(
      texts.flatMap((text) => [...text.matchAll(/env\['(\w+)'\]|\b(YOE_[A-Z_]+)\b/g)].map(([, a, b]) => a ?? b ?? '')),
    )
    assert.ok(read.has('YOE_CACHE') && read.has('HOME') && read.has('YOE_SIGNING_KEY'))
    // Inside sandboxes only.
    for (const own of ['YOE_ARCH', 'PREFIX']) read.delete(own)
    for (const name of read) assert.ok(page.includes(`\`${name}`), name)
    const [, table = ''] = /## Environment\n([\s\S]*?)\n## /.exec(page) ?? []
    for (const [, name = ''] of table.matchAll(/`(YOE_[A-Z_]+)`/g)) assert.ok(read.has(name), `${name} is not read`)
  })

  it('keeps to the width', () => {
    assert.deepEqual(tooLong(page), [])
  })
})
