import type { Problem } from '#engine/build/destdir.ts'
import type { LinkFacts } from '#engine/qa/links.ts'
import type { PackagePart } from '#engine/qa/package-parts.ts'

/**
 * Packages of one unit that need each other: none could be configured before the other, so that splitting them gains
 * nothing.
 *
 * @param needed names of siblings that each part depends on, in the order of `parts`
 */
export function checkCycles(
  parts: readonly PackagePart[],
  needed: readonly ReadonlySet<string>[],
  facts: readonly LinkFacts[],
): readonly Problem[] {
  const names = parts.map(({ name }) => name)
  const needs = new Map(names.map((name, index) => [name, needed[index] ?? new Set<string>()]))
  const cycle = firstCycle(names, needs)
  if (cycle === undefined) return []
  const reasons = cycle.slice(0, -1).map((name, index) => {
    const other = cycle[index + 1] ?? ''
    const link = facts[names.indexOf(name)]?.siblings.get(other)
    return link === undefined
      ? `${name} depends on ${other}`
      : `${link.file} needs ${link.soname}, which is in ${other}`
  })
  return [
    {
      message: `its packages need each other: ${cycle.join(' → ')} (${reasons.join('; ')})`,
      hint: 'put what they share into one of them: change the patterns of extra_subpackages, or runtime_deps',
    },
  ]
}

function firstCycle(
  names: readonly string[],
  needs: ReadonlyMap<string, ReadonlySet<string>>,
): readonly string[] | undefined {
  const done = new Set<string>()
  const visit = (name: string, trail: readonly string[]): readonly string[] | undefined => {
    const start = trail.indexOf(name)
    if (start >= 0) return [...trail.slice(start), name]
    if (done.has(name)) return undefined
    for (const other of needs.get(name) ?? []) {
      const found = visit(other, [...trail, name])
      if (found !== undefined) return found
    }
    done.add(name)
    return undefined
  }
  for (const name of names) {
    const found = visit(name, [])
    if (found !== undefined) return found
  }
  return undefined
}
