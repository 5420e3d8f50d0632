/** A version as tags have it: `v1.2.3`, `1.2`, `v2.0.0-rc.1`; undefined for names that are none. */
export function parseVersion(text: string): Version | undefined {
  const match = /^v?(\d{1,9}(?:\.\d{1,9}){0,3})(?:-([0-9A-Za-z.-]{1,100}))?(?:\+[0-9A-Za-z.-]{1,100})?$/.exec(text)
  if (match?.[1] === undefined) return undefined
  return { numbers: match[1].split('.').map(Number), pre: match[2]?.split('.') ?? [] }
}

export interface Version {
  readonly numbers: readonly number[]
  /** What comes before the version itself: `rc`, `1`. */
  readonly pre: readonly string[]
}

/** Below 0 when `a` is the older. @see semver.org, 11: Precedence */
export function compareVersions(a: Version, b: Version): number {
  for (let index = 0; index < Math.max(a.numbers.length, b.numbers.length); index++) {
    const difference = (a.numbers[index] ?? 0) - (b.numbers[index] ?? 0)
    if (difference !== 0) return difference
  }
  if (a.pre.length === 0 || b.pre.length === 0) return b.pre.length - a.pre.length
  for (let index = 0; index < Math.max(a.pre.length, b.pre.length); index++) {
    const difference = compareIdentifiers(a.pre[index], b.pre[index])
    if (difference !== 0) return difference
  }
  return 0
}

function compareIdentifiers(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1)
  const [left, right] = [/^\d+$/.test(a), /^\d+$/.test(b)]
  if (left && right) return Number(a) - Number(b)
  if (left !== right) return left ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}
