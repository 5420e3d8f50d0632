import { createHash } from 'node:crypto'
import { formatOf } from './formats.ts'

/** One installed package. */
export interface SbomPackage {
  readonly name: string
  readonly version: string
  /** As its distro spells it: `amd64`, `all`; `x86_64`, `noarch`. */
  readonly arch?: string
  /** Of the package file: lowercase hex. */
  readonly sha256?: string
  /** Of the project's own packages: what their unit says, whatever that is. */
  readonly license?: string
}

export interface SbomInput {
  /** `<machine>/<image>`. */
  readonly cell: string
  /** Whose the packages are that say no licence: `debian`. */
  readonly distro: string
  /** Of the disk image. */
  readonly image: { readonly name: string; readonly sha256: string }
  readonly packages: readonly SbomPackage[]
  /** What is named as the maker of the image and of its own packages: `octo/widgets`. */
  readonly supplier: string
  readonly commit: string
  /** An address below which this document has one of its own: of the repository. */
  readonly base: string
  /** ISO 8601, seconds, UTC. */
  readonly created: string
}

/**
 * What is in an image, as SPDX 2.3 JSON: the image, and every package with version, checksum, licence where a unit says
 * one, and package URL. Of a distribution's packages it says where in the image their licences are.
 *
 * @throws {YoeError} PROJECT_INVALID for a distro that nobody knows
 * @see SPDX specification 2.3; purl specification, types deb and apk
 */
export async function spdxDocument(input: SbomInput): Promise<object> {
  const { cell, image, packages, supplier, commit, base, created } = input
  const items = await Promise.all(packages.map((one, index) => packageItem(input, one, index)))
  const references = new Set(items.flatMap(({ licenseDeclared }) => licenseDeclared.match(/LicenseRef-[\w.-]+/g) ?? []))
  const subject = createHash('sha256')
    .update(JSON.stringify([cell, commit, image.sha256, packages]))
    .digest('hex')
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: image.name,
    documentNamespace: `${base}/spdx/${subject}`,
    creationInfo: { created, creators: ['Tool: yoe'] },
    ...(references.size === 0 ? {} : { hasExtractedLicensingInfos: [...references].sort().map(extracted) }),
    packages: [
      {
        SPDXID: imageId,
        name: image.name,
        versionInfo: commit,
        supplier: `Organization: ${supplier}`,
        downloadLocation: 'NOASSERTION',
        filesAnalyzed: false,
        primaryPackagePurpose: 'OPERATING_SYSTEM',
        checksums: [{ algorithm: 'SHA256', checksumValue: image.sha256 }],
        comment: `Disk image of ${cell}, before compression`,
        ...noLicense,
      },
      ...items,
    ],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: imageId },
      ...items.map(({ SPDXID }) => ({
        spdxElementId: imageId,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    ],
  }
}

const imageId = 'SPDXRef-Image'
const noLicense = { licenseConcluded: 'NOASSERTION', licenseDeclared: 'NOASSERTION', copyrightText: 'NOASSERTION' }

async function packageItem({ distro, supplier }: SbomInput, one: SbomPackage, index: number) {
  const { name, version, sha256, license } = one
  const own = license !== undefined
  const { purlType, licencesIn } = formatOf(distro)
  return {
    SPDXID: `SPDXRef-Package-${index + 1}-${name.replaceAll(/[^A-Za-z0-9.-]/g, '-')}`,
    name,
    versionInfo: version,
    supplier: own ? `Organization: ${supplier}` : 'NOASSERTION',
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    ...(sha256 === undefined ? {} : { checksums: [{ algorithm: 'SHA256', checksumValue: sha256 }] }),
    ...noLicense,
    ...(own
      ? { licenseDeclared: (await isExpression(license)) ? license : 'NOASSERTION' }
      : { licenseComments: `in the image: ${licencesIn(name)}` }),
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: packageUrl(purlType, own ? supplier : distro, one),
      },
    ],
  }
}

/**
 * @param type of the purl specification: `deb`
 * @param vendor whose package it is: `debian`, or the repository whose own it is
 */
export function packageUrl(
  type: string,
  vendor: string,
  { name, version, arch }: Pick<SbomPackage, 'name' | 'version' | 'arch'>,
): string {
  const namespace = vendor.toLowerCase().split('/').map(encoded).join('/')
  const tail = arch === undefined ? '' : `?arch=${encoded(arch)}`
  return `pkg:${type}/${namespace}/${encoded(name.toLowerCase())}@${encoded(version)}${tail}`
}

/** The specification leaves `:` as it is, and encodes what encodeURIComponent does not. */
const encoded = (text: string): string =>
  encodeURIComponent(text)
    .replaceAll('%3A', ':')
    .replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)

async function isExpression(license: string): Promise<boolean> {
  const { default: parse } = await import('spdx-expression-parse')
  try {
    parse(license)
    return !license.includes('DocumentRef-')
  } catch {
    return false
  }
}

const extracted = (licenseId: string) => ({
  licenseId,
  name: licenseId.slice('LicenseRef-'.length),
  extractedText: `${licenseId} is not on SPDX's list: its text comes with the packages that name it`,
})
