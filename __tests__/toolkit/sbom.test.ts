import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packageUrl, type SbomInput, spdxDocument } from '#toolkit/sbom.ts'

const example: SbomInput = {
  cell: 'qemu-x86_64/base-image',
  distro: 'debian',
  image: { name: 'image-qemu-x86_64-base-image.img', sha256: 'a'.repeat(64) },
  supplier: 'octo/widgets',
  commit: 'c'.repeat(40),
  base: 'https://github.com/octo/widgets',
  created: '2026-11-22T03:17:00Z',
  packages: [
    { name: 'libstdc++6', version: '1:14.2.0-19', arch: 'amd64', sha256: 'b'.repeat(64) },
    { name: 'app_x', version: '1.0~rc1+git-r0', arch: 'amd64', sha256: 'd'.repeat(64), license: 'MIT OR Apache-2.0' },
    { name: 'app.x', version: '1', arch: 'all', license: 'LicenseRef-Proprietary AND MIT' },
    { name: 'odd', version: '2', license: 'whatever, ask Bob' },
    { name: 'silent', version: '3', license: '' },
  ],
}

interface Item {
  readonly SPDXID: string
  readonly licenseDeclared: string
  readonly licenseComments?: string
  readonly externalRefs?: readonly { readonly referenceLocator: string }[]
}

test('every package has its own identifier, its licence where somebody says one, and a package URL', async () => {
  const document: { packages?: readonly Item[]; hasExtractedLicensingInfos?: readonly { licenseId: string }[] } =
    await spdxDocument(example)
  const [image, ...items] = document.packages ?? []
  assert.equal(image?.SPDXID, 'SPDXRef-Image')
  assert.equal(new Set(items.map(({ SPDXID }) => SPDXID)).size, 5)
  assert.deepEqual(
    items.map(({ licenseDeclared }) => licenseDeclared),
    ['NOASSERTION', 'MIT OR Apache-2.0', 'LicenseRef-Proprietary AND MIT', 'NOASSERTION', 'NOASSERTION'],
  )
  assert.match(items[0]?.licenseComments ?? '', /\/usr\/share\/doc\/libstdc\+\+6\/copyright/)
  assert.deepEqual(
    document.hasExtractedLicensingInfos?.map(({ licenseId }) => licenseId),
    ['LicenseRef-Proprietary'],
  )
})

for (const [type, vendor, name, version, arch, url] of [
  ['deb', 'debian', 'libstdc++6', '1:14.2.0-19', 'amd64', 'pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19?arch=amd64'],
  ['deb', 'Octo/Widgets', 'app', '1.0~rc1+git', undefined, 'pkg:deb/octo/widgets/app@1.0~rc1%2Bgit'],
  ['deb', 'o/r?x#y', 'a', '1/2', 'all', 'pkg:deb/o/r%3Fx%23y/a@1%2F2?arch=all'],
  [
    'apk',
    'alpine',
    'libstdc++',
    '13.2.1_git20231014-r0',
    'x86_64',
    'pkg:apk/alpine/libstdc%2B%2B@13.2.1_git20231014-r0?arch=x86_64',
  ],
] as const)
  test(`package URL: ${url}`, () =>
    assert.equal(packageUrl(type, vendor, { name, version, ...(arch === undefined ? {} : { arch }) }), url))

test('packages of each distro have its type of package URL, and licences where that distro has them', async () => {
  const items = async (distro: string): Promise<readonly Item[]> => {
    const document: { packages?: readonly Item[] } = await spdxDocument({
      ...example,
      distro,
      packages: [
        { name: 'tool', version: '1-r0', arch: 'noarch' },
        { name: 'app', version: '2-r0', license: 'MIT' },
      ],
    })
    return document.packages?.slice(1) ?? []
  }
  const rows = {
    debian: ['pkg:deb/debian/tool@1-r0?arch=noarch', 'pkg:deb/octo/widgets/app@2-r0', /doc\/tool\/copyright/],
    ubuntu: ['pkg:deb/ubuntu/tool@1-r0?arch=noarch', 'pkg:deb/octo/widgets/app@2-r0', /doc\/tool\/copyright/],
    alpine: ['pkg:apk/alpine/tool@1-r0?arch=noarch', 'pkg:apk/octo/widgets/app@2-r0', /apk info --license tool/],
  } as const
  for (const [distro, [tool, app, licence]] of Object.entries(rows)) {
    const [first, second] = await items(distro)
    assert.deepEqual(
      [first, second].map((one) => one?.externalRefs?.[0]?.referenceLocator),
      [tool, app],
    )
    assert.match(first?.licenseComments ?? '', licence)
  }
  await assert.rejects(items('plan9'), /knows no distro/)
})

test('the same image of the same commit is the same document, another one has another name', async () => {
  const namespace = async (more: Partial<SbomInput>): Promise<unknown> => {
    const document: { documentNamespace?: string } = await spdxDocument({ ...example, ...more })
    return document.documentNamespace
  }
  assert.equal(await namespace({}), await namespace({ created: '2027-01-01T00:00:00Z' }))
  assert.notEqual(await namespace({}), await namespace({ commit: 'e'.repeat(40) }))
})
