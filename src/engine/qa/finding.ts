import { YoeError, YoeErrors } from '../errors.ts'
import type { Reporter } from '../events.ts'
import type { PackageUnit } from '../project/model.ts'
import { isPackageCheck, type PackageCheck } from './checks.ts'

/** What one check says about a package. */
export interface Finding {
  readonly check: PackageCheck
  /** Paths on the device as messages show them; findings that differ in nothing else become one. */
  readonly paths?: readonly string[]
  /** What is wrong: of the paths when there are some (`leads into the build: /build/sysroot/usr/lib`). */
  readonly message: string
  /** What was expected, and what to type for it. */
  readonly hint: string
}

/** Paths that a message names; the rest are counted. */
const shownPaths = 5

/**
 * Lets a unit's findings pass that it skips, and throws all others together. What a unit skips needlessly is a warning:
 * the reason is gone.
 *
 * @throws {YoeErrors} PACKAGE_QA each, at the unit's line
 */
export function settle(
  unit: Pick<PackageUnit, 'name' | 'at' | 'qaSkip'>,
  findings: readonly Finding[],
  report: Reporter,
): void {
  const found = new Set(findings.map(({ check }) => check))
  for (const name of Object.keys(unit.qaSkip)) {
    if (isPackageCheck(name) && found.has(name)) continue
    report({
      type: 'warning',
      message: `${unit.name}: qa_skip has "${name}", and that check finds nothing`,
      hint: `take "${name}" out of qa_skip`,
      at: unit.at,
    })
  }
  const errors = joined(findings.filter(({ check }) => !Object.hasOwn(unit.qaSkip, check))).map((finding) =>
    errorOf(unit, finding),
  )
  if (errors.length > 0) throw new YoeErrors(errors)
}

function joined(findings: readonly Finding[]): readonly Finding[] {
  const groups = new Map<string, { readonly finding: Finding; readonly paths: string[] }>()
  for (const finding of findings) {
    const key = JSON.stringify([finding.check, finding.message, finding.hint])
    const group = groups.get(key) ?? { finding, paths: [] }
    group.paths.push(...(finding.paths ?? []))
    groups.set(key, group)
  }
  return [...groups.values()]
    .map(({ finding, paths }) => ({ ...finding, paths: [...new Set(paths)] }))
    .sort((a, b) => (a.check < b.check ? -1 : a.check > b.check ? 1 : 0))
}

function errorOf(
  { name, at }: Pick<PackageUnit, 'name' | 'at'>,
  { check, paths = [], message, hint }: Finding,
): YoeError {
  const more = paths.length - shownPaths
  const which = `${paths.slice(0, shownPaths).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  const said = which === '' ? message : paths.length > 1 ? `${which}: each ${message}` : `${which} ${message}`
  return new YoeError('PACKAGE_QA', `${name}: ${said} [${check}]`, {
    hint: `${hint}; or say why not: qa_skip = {"${check}": "…"}`,
    at,
    unit: name,
  })
}
