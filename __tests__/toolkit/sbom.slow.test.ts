import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { spdxDocument } from '#toolkit/sbom.ts'
import { pythonProgram } from '../support/tools.ts'

/** What SPDX's own validator says of a document: '' when it is valid. */
function judge(path: string): string {
  const { argv, env } = pythonProgram('pyspdxtools')
  const [command, ...rest] = argv
  const { status, stdout, stderr } = spawnSync(command, [...rest, '-i', path], { env, encoding: 'utf8' })
  return status === 0 ? '' : `${stdout}${stderr}` || `exit ${status}`
}

test("SPDX's own validator takes the document, and refuses one with a wrong checksum or a licence that nothing explains", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'yoe-sbom-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const packages = [
    { name: 'libstdc++6', version: '1:14.2.0-19', arch: 'amd64', sha256: 'b'.repeat(64) },
    { name: 'app_x', version: '1.0~rc1+git-r0', arch: 'amd64', sha256: 'd'.repeat(64), license: 'MIT OR Apache-2.0' },
    { name: 'app.x', version: '1', arch: 'all', license: 'LicenseRef-Proprietary AND GPL-2.0-only' },
    { name: 'odd', version: '2', license: 'whatever, ask Bob' },
  ]
  const document = await spdxDocument({
    ...{ cell: 'qemu-x86_64/base-image', distro: 'debian', supplier: 'octo/widgets', commit: 'c'.repeat(40), packages },
    image: { name: 'image-qemu-x86_64-base-image.img', sha256: 'a'.repeat(64) },
    base: 'https://github.com/octo/widgets',
    created: '2026-11-22T03:17:00Z',
  })
  const text = JSON.stringify(document, null, 1)
  const verdictOn = (name: string, content: string): string => {
    const path = join(dir, `${name}.spdx.json`)
    writeFileSync(path, content)
    return judge(path)
  }
  assert.equal(verdictOn('good', text), '')
  assert.match(verdictOn('checksum', text.replace('a'.repeat(64), 'a'.repeat(60))), /checksum/i)
  assert.match(
    verdictOn('license', text.replaceAll('"licenseId": "LicenseRef-Prop', '"licenseId": "LicenseRef-X')),
    /LicenseRef/,
  )
})
