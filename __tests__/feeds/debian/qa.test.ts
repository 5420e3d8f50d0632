/** Each check refuses a package that has one thing wrong, and that plain dpkg-deb makes without a word. */
import assert from 'node:assert/strict'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, type TestContext, test } from 'node:test'
import type { Event } from '#engine/events.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { packageChecks } from '#engine/qa/checks.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { errorsOf, install, packInput, run, scratch } from '../../support/making.ts'
import { compile, type Programs, type Row, rows } from './qa-rows.ts'

let programs: Programs
before(async (t) => {
  assert.ok('after' in t)
  programs = await compile(await scratch(t as TestContext))
})

const arch = process.arch === 'arm64' ? 'arm64' : 'x86_64'

/** What dpkg-deb alone says about the same tree. */
async function plain(dest: string, folder: string): Promise<number> {
  await mkdir(join(dest, 'DEBIAN'), { recursive: true, mode: 0o755 })
  await writeFile(
    join(dest, 'DEBIAN/control'),
    'Package: app\nVersion: 1.0-r0\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n',
  )
  const ran = await run('dpkg-deb', ['--root-owner-group', '--build', dest, join(folder, 'plain.deb')])
  await run('rm', ['-rf', join(dest, 'DEBIAN')])
  return ran.code
}

function unitFor({ unit = {} }: Row, more: Partial<PackageUnit> = {}): Partial<PackageUnit> {
  return { ...unit, ...more }
}

for (const row of rows) {
  test(`${row.check}: ${row.name}`, async (t) => {
    const folder = await scratch(t)
    const [dest, out] = [join(folder, 'dest'), join(folder, 'out')]
    await row.arrange(dest, programs)
    const pack = async (unit: Partial<PackageUnit>): Promise<readonly string[]> => {
      const warnings: string[] = []
      const report = (event: Event): unknown => event.type === 'warning' && warnings.push(event.message)
      const errors = await errorsOf(packDeb(packInput(dest, out, { arch, ...row.fields, unit, report })))
      assert.deepEqual(
        errors.map(({ code, at, unit: name }) => [code, at?.line, name]),
        errors.map(() => ['PACKAGE_QA', 3, 'app']),
      )
      return [...errors.map(({ message, hint }) => `${message}\n${hint}`), ...warnings]
    }
    assert.equal(await plain(dest, folder), 0, 'dpkg-deb alone makes it')
    const said = await pack(unitFor(row))
    assert.equal(said.length, 1, said.join('\n'))
    const [message = '', hint = ''] = said[0]?.split('\n') ?? []
    assert.match(message, row.says)
    assert.ok(message.startsWith('app: ') && message.endsWith(` [${row.check}]`), message)
    assert.match(hint, row.hint)
    assert.ok(hint.endsWith(`or say why not: qa_skip = {"${row.check}": "…"}`), hint)
    const qaSkip = { ...row.unit?.qaSkip, [row.check]: 'known' }
    assert.deepEqual(await pack(unitFor(row, { qaSkip })), [], 'and is made where the unit says why')
    if (row.mend === undefined && row.mended === undefined) return
    await row.mend?.(dest, programs)
    assert.deepEqual(await pack(unitFor(row, row.mended)), [], 'and once it is mended')
  })
}

test('every check has a row', () => {
  const shown = new Set(rows.map(({ check }) => check))
  // Between packages: below.
  assert.deepEqual(
    Object.keys(packageChecks).filter((name) => !shown.has(name as never)),
    ['conflict'],
  )
})

describe('together', () => {
  test('everything is told at once, and what is the same of several files is told once', async (t) => {
    const folder = await scratch(t)
    const dest = join(folder, 'dest')
    const names = Array.from({ length: 7 }, (_, index) => `usr/share/app/${index}`)
    await install(dest, Object.fromEntries(names.map((name) => [name, 'in /build/destdir/usr'])))
    await mkdir(join(dest, 'usr/bin'))
    await symlink('nothing', join(dest, 'usr/bin/app'))
    const unit = { license: '', conffiles: ['/etc/a'] }
    const errors = await errorsOf(packDeb(packInput(dest, join(folder, 'out'), { unit })))
    assert.deepEqual(
      errors.map(({ message }) => /\[(.*)\]$/.exec(message)?.[1]),
      ['buildpaths', 'conffiles', 'dangling', 'license'],
    )
    assert.match(errors[0]?.message ?? '', /share\/app\/0, .*\/4 and 2 more: each names a folder of the build/)
  })

  test('a check that is skipped needlessly is a warning', async (t) => {
    const folder = await scratch(t)
    await install(join(folder, 'dest'), { 'usr/share/app/x': 'x' })
    const events: Event[] = []
    const report = (event: Event): unknown => events.push(event)
    const unit = { qaSkip: { rpath: 'finds its plugins' } }
    await packDeb(packInput(join(folder, 'dest'), join(folder, 'out'), { unit, report }))
    assert.deepEqual(events, [
      {
        type: 'warning',
        message: 'app: qa_skip has "rpath", and that check finds nothing',
        hint: 'take "rpath" out of qa_skip',
        at: { file: 'units/app.star', line: 3, column: 1 },
      },
    ])
  })
})
