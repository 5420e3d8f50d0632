import type { Dependency, Provided, Relation } from '#engine/catalog/package.ts'

/** What stands in `depend`, `D:`, `replaces` and `install_if`. */
export interface ParsedRelation {
  readonly dependency: Dependency
  /** `!name`: a package that must not be there. */
  readonly isConflict: boolean
}

const operators: Readonly<Record<string, Relation | undefined>> = {
  '<': '<<',
  '<=': '<=',
  '=': '=',
  '>=': '>=',
  '>': '>>',
  '~': '~',
  '~=': '~',
  '=~': '~',
}

/**
 * `name`, `name>=1.0`, `so:libz.so.1`, `/bin/sh`, `!name`.
 *
 * @returns undefined for what is none of them, `name><checksum` among it: that is one very file
 * @see apk-world(5)
 */
export function parseRelation(text: string): ParsedRelation | undefined {
  const [, bang, name = '', operator = '', wanted = ''] =
    /^(!?)([^\s!<>=~@][^\s<>=~@]*)([<>=~]*)(\S*)$/.exec(text) ?? []
  if (name === '') return undefined
  const isConflict = bang === '!'
  if (operator === '') return { dependency: { name }, isConflict }
  const relation = operators[operator]
  if (relation === undefined || wanted === '') return undefined
  return { dependency: { name, version: { relation, version: wanted } }, isConflict }
}

/** `so:libz.so.1=1.3.1`, `cmd:sh=1.36-r1`, `linux`: a name, with a version where it says one. */
export function parseProvided(text: string): Provided | undefined {
  const found = parseRelation(text)
  if (found === undefined || found.isConflict) return undefined
  const { name, version } = found.dependency
  if (version === undefined) return { name }
  return version.relation === '=' ? { name, version: version.version } : undefined
}
