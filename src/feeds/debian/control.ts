import type { Alternatives, PackageRecord } from '#engine/catalog/package.ts'
import { renderRelation } from './names.ts'

/** What a control file says beyond the package's record. */
export interface ControlFacts {
  readonly record: PackageRecord
  readonly replaces: readonly string[]
  readonly maintainer: string
  readonly description: string
  readonly homepage: string | undefined
  /** KiB, by Debian's count. */
  readonly installedSize: number
}

/**
 * The `control` file of a binary package, one stanza, LF-ended.
 *
 * @see deb-control(5); field order as dpkg-gencontrol writes it
 */
export function renderControl(facts: ControlFacts): string {
  const { record } = facts
  const list = (groups: readonly Alternatives[]): string =>
    groups.map((group) => group.map(renderRelation).join(' | ')).join(', ')
  const provides = record.provides.map(({ name, version }) =>
    renderRelation(version === undefined ? { name } : { name, version: { relation: '=', version } }),
  )
  const fields: readonly (readonly [string, string])[] = [
    ['Package', record.name],
    ['Version', record.version],
    ['Architecture', record.arch],
    ['Maintainer', facts.maintainer],
    ['Installed-Size', String(facts.installedSize)],
    ['Depends', list(record.depends)],
    ['Conflicts', record.conflicts.map(renderRelation).join(', ')],
    ['Replaces', facts.replaces.join(', ')],
    ['Provides', provides.join(', ')],
    ['Section', 'misc'],
    ['Priority', record.priority],
    ['Homepage', facts.homepage ?? ''],
    ['Description', foldDescription(facts.description, record.name)],
  ]
  return fields.flatMap(([name, value]) => (value === '' ? [] : [`${name}: ${value}\n`])).join('')
}

/**
 * A description as a field value: the first line, then the rest, each line led by a space and blank ones by ` .`, so
 * that no text can end the stanza or begin a field.
 *
 * @see Debian Policy 5.6.13
 */
function foldDescription(text: string, fallback: string): string {
  const lines = text
    .replace(/\r\n?|[\u000b\u000c\u0085\u2028\u2029]/g, '\n')
    .replace(/[\u0000-\u0008\u000e-\u001f\u007f-\u009f]/g, '')
    .replaceAll('\t', '  ')
    .split('\n')
    .map((line) => line.trimEnd())
  const from = lines.findIndex((line) => line !== '')
  if (from < 0) return fallback
  const [first = '', ...more] = lines.slice(from, lines.findLastIndex((line) => line !== '') + 1)
  const rest = more[0] === '' ? more.slice(1) : more
  return [
    first.trim(),
    ...rest.map((line) => (line === '' ? ' .' : ` ${line.startsWith('.') ? ` ${line}` : line}`)),
  ].join('\n')
}
