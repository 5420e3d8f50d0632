import parse from 'spdx-expression-parse'
import type { PackageUnit } from '../project/model.ts'
import type { Finding } from './finding.ts'
import type { CheckedUnit } from './package-parts.ts'
import { meantLicenses } from './spdx-names.ts'

/** Where a package keeps the texts of its licences. */
const folderOf = (unit: string): string => `usr/share/licenses/${unit}`

/** What a unit says about its licence, and whether the text comes along. @see SPDX specification, Licence expressions */
export async function checkLicense(checked: CheckedUnit): Promise<readonly Finding[]> {
  const { unit, parts } = checked
  const entries = parts.flatMap(({ tree }) => tree.entries)
  // What only names other packages has nothing to license.
  if (entries.every(({ kind }) => kind === 'directory')) return []
  const found = await wrong(unit)
  if (found !== undefined) return [found]
  if (unit.source === undefined || unit.source.kind === 'path') return []
  const paths = entries.map(({ path }) => path.toString('latin1'))
  const copyright = /^usr\/share\/doc\/[^/]+\/copyright$/
  if (paths.some((path) => path.startsWith(`${folderOf(unit.name)}/`) || copyright.test(path))) return []
  return [
    {
      check: 'license',
      message: `no text of its licence is in the package: its source has no LICENSE or COPYING at the top`,
      hint: `install it in a task: install -D -m 644 FILE "$DESTDIR/${folderOf(unit.name)}/LICENSE"`,
    },
  ]
}

async function wrong({ license }: PackageUnit): Promise<Finding | undefined> {
  if (license === '') {
    const hint =
      'license = "MIT", or what its authors say; "LicenseRef-Proprietary" for code of your own that nobody else may use'
    return { check: 'license', message: 'the unit says nothing about its licence', hint }
  }
  try {
    parse(license)
    return undefined
  } catch {
    const { default: ids } = await import('spdx-license-ids/index.json', { with: { type: 'json' } })
    const meant = meantLicenses(license, ids)
    const hint =
      meant.length > 0
        ? `license = ${meant.map((id) => `"${id}"`).join(' or ')}`
        : 'https://spdx.org/licenses lists them; join several by AND, OR; "LicenseRef-NAME" is for what is not there'
    return { check: 'license', message: `${JSON.stringify(license)} is no SPDX licence expression`, hint }
  }
}
