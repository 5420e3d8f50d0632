import { dirname } from 'node:path/posix'
import { suffixesOf } from '../catalog/subpackages.ts'
import { namesPath } from '../path-pattern.ts'
import type { PackageUnit } from '../project/model.ts'
import type { Finding } from '../qa/finding.ts'
import { shown } from '../shown.ts'

/** What splitting needs to know of one thing that a unit installs. */
export interface SplitEntry {
  readonly kind: 'directory' | 'file' | 'symlink' | 'hardlink'
  /** Raw bytes, relative, without leading or trailing slash; empty for the root. */
  readonly path: Buffer
  /** Text of a symbolic link. */
  readonly target?: Buffer
}

/** One package of a unit. */
export interface Part<E> {
  /** What follows `<unit>-` in its name; '' for the unit's main package. */
  readonly suffix: string
  /** In the order of the whole tree, with the folders on the way to each. */
  readonly entries: readonly E[]
}

export interface Split<E> {
  /** The main package first, then by suffix. The main one may hold nothing but the root. */
  readonly parts: readonly Part<E>[]
  /** What is wrong with the unit's `extra_subpackages`. */
  readonly problems: readonly { readonly message: string; readonly hint: string }[]
  /** Packages that the unit wants by a rule, and nothing is in. */
  readonly findings: readonly Finding[]
}

/** What `subpackages = ["dev"]` takes, beside the links that linkers find libraries by. @see seed, Sub-packages */
const devFiles = new RegExp(
  `^/(?:${[
    'usr/include/.+',
    '(?:usr/)?lib/(?:.*/)?[^/]*\\.a',
    'usr/lib/(?:[^/]+/)?(?:pkgconfig|cmake)/.+',
    'usr/share/(?:pkgconfig|cmake|aclocal)/.+',
    'usr/bin/[^/]*-config',
  ].join('|')})$`,
  's',
)
const debugPattern = '/usr/lib/debug/**'

const devHint =
  'it takes headers (/usr/include/**), static libraries, lib*.so links, pkgconfig, cmake and aclocal files, and *-config programs'
/** Where an upstream's suite is installed, with the program that runs it. @see seed, On-device upstream tests */
const testsFolder = (unit: string): string => `/usr/lib/yoe-tests/${unit}`

const emptyHints = {
  dev: `${devHint}; install some, or take "dev" out of subpackages`,
  dbg: 'compile with $CFLAGS (which hold -g) and let no task strip the result, or take "dbg" out of subpackages',
  tests: 'let the task of upstream_tests install them to $DESTDIR/usr/lib/yoe-tests/$UNIT, with a program run.sh',
} as const

/**
 * Says which package of a unit each of its files is in. Patterns of `extra_subpackages` come first, then the rules of
 * -dbg, -dev and -tests, and what is left is the main package's. A folder that a pattern names stands for all that is in it;
 * a folder otherwise is in each package that has something in it, and an empty one in the main package.
 *
 * @param entries the root first, then depth first
 */
export function splitPackage<E extends SplitEntry>(
  unit: Pick<PackageUnit, 'name' | 'subpackages' | 'extraSubpackages' | 'upstreamTests'>,
  entries: readonly E[],
): Split<E> {
  const problems: { message: string; hint: string }[] = []
  const findings: Finding[] = []
  const extra = Object.entries(unit.extraSubpackages).sort(([a], [b]) => (a < b ? -1 : 1))
  const byRule = suffixesOf({ ...unit, extraSubpackages: {} }).filter(isByRule)
  // A unit with one package: all is in it.
  if (byRule.length + extra.length === 0) return { parts: [{ suffix: '', entries }], problems, findings }
  const leaves = entries.filter((entry, index) => index > 0 && !isParent(entry, entries[index + 1]))
  const owners = new Map<E, string>()
  for (const [suffix, patterns] of extra) {
    if (patterns.length === 0)
      problems.push({ message: `extra_subpackages["${suffix}"] names no file`, hint: 'files("/usr/bin/app", …)' })
    for (const pattern of patterns) {
      const found = leaves.filter((entry) => namesPath(pattern, pathOf(entry)))
      const other = found.find((entry) => (owners.get(entry) ?? suffix) !== suffix)
      if (found.length === 0) problems.push(nothingMatches(suffix, pattern))
      else if (other !== undefined) problems.push(claimedTwice(other, owners.get(other) ?? '', suffix))
      for (const entry of found) if (!owners.has(entry)) owners.set(entry, suffix)
    }
  }
  const rules = rulesOf(unit)
  for (const entry of leaves) {
    if (owners.has(entry)) continue
    const rule = byRule.find((suffix) => rules[suffix](entry))
    if (rule !== undefined) owners.set(entry, rule)
  }
  for (const suffix of byRule) {
    if (![...owners.values()].includes(suffix))
      findings.push({
        check: 'empty',
        message: `there is nothing for ${unit.name}-${suffix}`,
        hint: emptyHints[suffix],
      })
  }
  const suffixes = ['', ...[...byRule, ...extra.map(([suffix]) => suffix)].sort()]
  return {
    parts: suffixes.map((suffix) => ({ suffix, entries: select(entries, leaves, owners, suffix) })),
    problems,
    findings,
  }
}

type ByRule = keyof typeof emptyHints
const isByRule = (suffix: string): suffix is ByRule => Object.hasOwn(emptyHints, suffix)

const rulesOf = ({ name }: Pick<PackageUnit, 'name'>): Readonly<Record<ByRule, (entry: SplitEntry) => boolean>> => ({
  dbg: (entry) => namesPath(debugPattern, pathOf(entry)),
  dev: isForDevelopment,
  tests: (entry) => namesPath(testsFolder(name), pathOf(entry)),
})

/** What only those want who build against a package: what `subpackages = ["dev"]` takes. */
export const isForDevelopment = (entry: SplitEntry): boolean => isDevLink(entry) || devFiles.test(pathOf(entry))

/** As patterns see it. */
const pathOf = ({ path }: SplitEntry): string => `/${path.toString('utf8')}`

const isParent = ({ path }: SplitEntry, next: SplitEntry | undefined): boolean =>
  next !== undefined && next.path[path.length] === 0x2f && next.path.subarray(0, path.length).equals(path)

/** `libz.so`, which `-lz` finds, where it only leads to `libz.so.1`: what is linked so needs the latter to run. */
function isDevLink({ kind, path, target }: SplitEntry): boolean {
  const [, stem] = /^(?:usr\/)?lib\/(?:.*\/)?(lib[^/]*)\.so$/.exec(path.toString('latin1')) ?? []
  if (kind !== 'symlink' || stem === undefined || target === undefined) return false
  const leadsTo = target.toString('latin1', target.lastIndexOf('/') + 1)
  return leadsTo.startsWith(`${stem}.so.`) || (leadsTo.startsWith(`${stem}-`) && leadsTo.endsWith('.so'))
}

function select<E extends SplitEntry>(
  entries: readonly E[],
  leaves: readonly E[],
  owners: ReadonlyMap<E, string>,
  suffix: string,
): readonly E[] {
  const kept = new Set<E>(leaves.filter((entry) => (owners.get(entry) ?? '') === suffix))
  const folders = new Set(['.'])
  for (const { path } of kept) {
    let at = path.toString('latin1')
    for (at = dirname(at); !folders.has(at); at = dirname(at)) folders.add(at)
  }
  return entries.filter((entry) => {
    const path = entry.path.toString('latin1')
    return kept.has(entry) || (entry.kind === 'directory' && folders.has(path === '' ? '.' : path))
  })
}

function nothingMatches(suffix: string, pattern: string): { message: string; hint: string } {
  return {
    message: `extra_subpackages["${suffix}"]: nothing that its tasks installed matches "${pattern}"`,
    hint: 'take it out, or install it below $DESTDIR; * and ? stop at a /, ** does not',
  }
}

function claimedTwice(entry: SplitEntry, one: string, other: string): { message: string; hint: string } {
  return {
    message: `extra_subpackages: /${shown(entry.path)} is in both "${one}" and "${other}"`,
    hint: 'a file is in one package: make the patterns of one of them narrower',
  }
}
