import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { allowsLater, licenseOf } from '#toolkit/new/license.ts'
import { checkout } from '../../support/project.ts'

/** Debian's texts, which every machine of ours has. */
const debian: Readonly<Record<string, string>> = {
  'Apache-2.0': 'Apache-2.0',
  BSD: 'BSD-3-Clause',
  'CC0-1.0': 'CC0-1.0',
  'GPL-2': 'GPL-2.0-only',
  'GPL-3': 'GPL-3.0-only',
  'LGPL-2': 'LGPL-2.0-only',
  'LGPL-2.1': 'LGPL-2.1-only',
  'LGPL-3': 'LGPL-3.0-only',
  'MPL-2.0': 'MPL-2.0',
}

for (const [name, id] of Object.entries(debian)) {
  test(`Debian's ${name}`, () => {
    assert.equal(licenseOf(readFileSync(`/usr/share/common-licenses/${name}`, 'latin1'), false), id)
  })
}

test('packages of npm, which say what they are', () => {
  let checked = 0
  for (const path of globSync('node_modules/*/LICEN[CS]E{,.md,.txt}', { cwd: checkout })) {
    const declared: unknown = JSON.parse(readFileSync(join(checkout, dirname(path), 'package.json'), 'utf8')).license
    if (!['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'Unlicense'].includes(String(declared))) continue
    assert.equal(licenseOf(readFileSync(join(checkout, path), 'latin1'), false), declared, path)
    checked++
  }
  assert.ok(checked > 50)
})

test("curl's, which begins like ISC's", () => {
  const grant =
    'Permission to use, copy, modify, and distribute this software for any purpose\nwith or without fee is hereby granted'
  assert.equal(licenseOf(grant, false), 'ISC')
  const notice = 'Except as contained in this notice, the name of a copyright holder shall not\nbe used in advertising'
  assert.equal(licenseOf(`${grant}.\n\n${notice}`, false), 'curl')
})

test('GNU licences depend on what the sources say', () => {
  const text = readFileSync('/usr/share/common-licenses/GPL-2', 'latin1')
  assert.equal(licenseOf(text, true), 'GPL-2.0-or-later')
  assert.ok(allowsLater('/* either version 2, or\n * (at your option) any later version. */'))
  assert.ok(allowsLater('// SPDX-License-Identifier: GPL-2.0-or-later'))
  assert.ok(!allowsLater('// SPDX-License-Identifier: GPL-2.0-only\n'))
  assert.equal(licenseOf('All rights reserved.', false), undefined)
})
