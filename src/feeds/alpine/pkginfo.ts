import { shown } from '#engine/shown.ts'

/** What a package says about itself in `.PKGINFO`. Dependencies and provides as they are spelled there. */
export interface PkgInfo {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly url: string
  /** Seconds since 1970. */
  readonly builddate: number
  readonly packager: string
  /** Bytes that it takes when it is installed. */
  readonly size: number
  readonly arch: string
  /** The unit, or what Alpine calls the main package of several. */
  readonly origin: string
  readonly commit: string
  readonly maintainer: string
  readonly license: string
  readonly replacesPriority: number | undefined
  readonly providerPriority: number | undefined
  readonly replaces: readonly string[]
  /** With `!name` for packages that this one never lies beside. */
  readonly depends: readonly string[]
  readonly provides: readonly string[]
  readonly installIf: readonly string[]
  /** Folders whose changes the trigger script is told. */
  readonly triggers: readonly string[]
  /** SHA-256 of the data member: lowercase hex. */
  readonly datahash: string
}

/** What is wrong with the text; whoever calls knows the package. */
export class PkgInfoError extends Error {}

const single = {
  pkgname: 'name',
  pkgver: 'version',
  pkgdesc: 'description',
  url: 'url',
  builddate: 'builddate',
  packager: 'packager',
  size: 'size',
  arch: 'arch',
  origin: 'origin',
  commit: 'commit',
  maintainer: 'maintainer',
  license: 'license',
  replaces_priority: 'replacesPriority',
  provider_priority: 'providerPriority',
  datahash: 'datahash',
} as const

/** Fields that come once for each value, in the order in which they are written. */
const several = {
  replaces: 'replaces',
  depend: 'depends',
  provides: 'provides',
  install_if: 'installIf',
  triggers: 'triggers',
} as const

const plainName = /^[A-Za-z0-9][A-Za-z0-9+._-]{0,199}$/
const plainVersion = /^[A-Za-z0-9][A-Za-z0-9+._~-]{0,199}$/

/**
 * Reads a `.PKGINFO`. Fields that nobody here knows are left out; one that says twice what can be said once, and anything
 * that could reach a path or a terminal as something else than a word, is an error.
 *
 * @throws {PkgInfoError}
 * @see apk-package(5)
 */
export function parsePkgInfo(text: string): PkgInfo {
  const fields = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [, key, value = ''] = /^([a-z_]+) = ?(.*)$/s.exec(line) ?? []
    if (key === undefined) throw new PkgInfoError(`a line that is no field: ${shownStart(line)}`)
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) throw new PkgInfoError(`control characters in ${key}`)
    const values = fields.get(key)
    if (values === undefined) fields.set(key, [value.trim()])
    else values.push(value.trim())
  }
  const one = (key: keyof typeof single): string => {
    const [value = '', ...more] = fields.get(key) ?? []
    if (more.length > 0) throw new PkgInfoError(`${key} twice`)
    return value
  }
  const many = (key: keyof typeof several): readonly string[] =>
    (fields.get(key) ?? []).flatMap((value) => value.split(/\s+/)).filter((word) => word !== '')
  const count = (key: keyof typeof single): number | undefined => {
    const value = one(key)
    if (value === '') return undefined
    if (!/^\d{1,15}$/.test(value)) throw new PkgInfoError(`${key} is no number: ${shownStart(value)}`)
    return Number(value)
  }
  const word = (key: keyof typeof single, pattern: RegExp): string => {
    const value = one(key)
    if (!pattern.test(value) || value.includes('..')) throw new PkgInfoError(`${key} can't be ${shownStart(value)}`)
    return value
  }
  return {
    name: word('pkgname', plainName),
    version: word('pkgver', plainVersion),
    description: one('pkgdesc'),
    url: one('url'),
    builddate: count('builddate') ?? 0,
    packager: one('packager'),
    size: count('size') ?? 0,
    arch: word('arch', plainName),
    origin: one('origin'),
    commit: one('commit'),
    maintainer: one('maintainer'),
    license: one('license'),
    replacesPriority: count('replaces_priority'),
    providerPriority: count('provider_priority'),
    replaces: many('replaces'),
    depends: many('depend'),
    provides: many('provides'),
    installIf: many('install_if'),
    triggers: many('triggers'),
    datahash: word('datahash', /^[0-9a-f]{64}$/),
  }
}

const shownStart = (text: string): string => shown(Buffer.from(text)).slice(0, 80)

/** The opposite of {@link parsePkgInfo}; the order is abuild's. */
export function renderPkgInfo(info: PkgInfo): string {
  const lines: string[] = []
  const put = (key: string, value: string | number | undefined): void => {
    const text = String(value ?? '')
      .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
      .trim()
    if (text !== '') lines.push(`${key} = ${text}\n`)
  }
  const { datahash, ...rest } = single
  for (const [key, field] of Object.entries(rest)) put(key, info[field])
  for (const key of ['replaces', 'depend', 'provides', 'install_if'] as const)
    for (const value of info[several[key]]) put(key, value)
  // All on one line, as apk reads it.
  put('triggers', info.triggers.join(' '))
  put('datahash', info[datahash])
  return lines.join('')
}
