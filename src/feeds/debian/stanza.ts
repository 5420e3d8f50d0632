import { YoeError } from '#engine/errors.ts'
import { shown } from '#engine/shown.ts'
import { packageName } from './relations.ts'
import { compareVersions, isVersion } from './version.ts'

/** One package of an index. */
export interface IndexEntry {
  readonly name: string
  readonly version: string
  readonly arch: string
  /** The control fields as the package itself has them, LF-ended lines, without those that an index adds. */
  readonly fields: string
  /** Relative to the repository's root. */
  readonly filename: string
  readonly size: number
  readonly sha256: string
}

/** What an index, not the package, says; and what only an installed system would. */
const ofTheIndex = /^(Filename|Size|MD5sum|SHA1|SHA256|SHA512|Status):/i
const safePath = /^(?!.*\.\.)(?!\/)[A-Za-z0-9@%+,._:~/-]+$/

/** One control paragraph without the fields of an index. @throws {YoeError} FEED_INVALID */
export function controlFields(text: string, from: string): Pick<IndexEntry, 'name' | 'version' | 'arch' | 'fields'> {
  const { kept, values } = splitFields(text, from)
  const name = values.get('package') ?? ''
  const version = values.get('version') ?? ''
  const arch = values.get('architecture') ?? ''
  if (!packageName.test(name) || !isVersion(version) || !/^[a-z0-9][a-z0-9-]*$/.test(arch)) {
    throw invalid(
      from,
      `names no package (Package: ${shown(name)}, Version: ${shown(version)}, Architecture: ${shown(arch)})`,
    )
  }
  return { name, version, arch, fields: kept }
}

/**
 * Reads an index as {@link renderIndex} writes it.
 *
 * @param from names the file in errors
 * @throws {YoeError} FEED_INVALID
 */
export function parseIndex(text: string, from: string): readonly IndexEntry[] {
  const stanzas = text.split('\n\n').filter((stanza) => stanza.trim() !== '')
  return stanzas.map((stanza) => {
    const control = controlFields(`${stanza}\n`, from)
    const { values } = splitFields(`${stanza}\n`, from)
    const filename = values.get('filename') ?? ''
    const sha256 = values.get('sha256') ?? ''
    const size = Number(values.get('size') ?? Number.NaN)
    if (!safePath.test(filename) || !/^[0-9a-f]{64}$/.test(sha256) || !Number.isSafeInteger(size) || size < 0) {
      throw invalid(from, `has an unusable entry for ${control.name}`)
    }
    return { ...control, filename, sha256, size }
  })
}

/** The text of a Packages file: by name, then version, then architecture, so that the same entries give the same bytes. */
export function renderIndex(entries: readonly IndexEntry[]): string {
  const order = (a: IndexEntry, b: IndexEntry): number =>
    compareText(a.name, b.name) || compareVersions(a.version, b.version) || compareText(a.arch, b.arch)
  return entries
    .toSorted(order)
    .map((each) => `${each.fields}Filename: ${each.filename}\nSize: ${each.size}\nSHA256: ${each.sha256}\n\n`)
    .join('')
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function splitFields(
  text: string,
  from: string,
): { readonly kept: string; readonly values: ReadonlyMap<string, string> } {
  const values = new Map<string, string>()
  const kept: string[] = []
  let keep = true
  for (const line of text.replace(/\n+$/, '').split('\n')) {
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line))
      throw invalid(from, `has control characters: ${shown(line.slice(0, 60))}`)
    if (/^[ \t]+\S/.test(line) && values.size > 0) {
      if (keep) kept.push(line)
      continue
    }
    const [, name, value = ''] = /^([!-9;-~]+):[ \t]*(.*)$/.exec(line) ?? []
    if (name === undefined) throw invalid(from, `has a line that is no field: ${shown(line.slice(0, 60))}`)
    const key = name.toLowerCase()
    if (values.has(key)) throw invalid(from, `has the field ${name} twice`)
    values.set(key, value.trim())
    keep = !ofTheIndex.test(line)
    if (keep) kept.push(line)
  }
  return { kept: kept.map((line) => `${line}\n`).join(''), values }
}

function invalid(from: string, why: string): YoeError {
  return new YoeError('FEED_INVALID', `${from} ${why}`, { hint: 'remove it; it is made or fetched again' })
}
