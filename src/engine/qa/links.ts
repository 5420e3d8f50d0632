import type { DestEntry } from '../build/destdir.ts'
import { shown } from '../shown.ts'
import type { Finding } from './finding.ts'
import { isLinked, type Program } from './programs.ts'

/** Who brings a shared library; version '' when any version does. */
export interface LibraryOwner {
  readonly name: string
  readonly version: string
  /** It is only there since the toolchain has it: nothing that the unit declares brings it. */
  readonly undeclared?: boolean
}

/** One package of a unit, and what inspect.ts found in it. */
export interface LinkedPart {
  /** The package's name. */
  readonly name: string
  readonly entries: readonly DestEntry[]
  readonly programs: readonly Program[]
}

export interface LinkFacts {
  /** Sonames that programs of other packages find in this one, sorted. */
  readonly brings: readonly string[]
  /** Packages of other units that bring what this one's programs are linked to, in order of first need. */
  readonly needs: readonly LibraryOwner[]
  /** Sonames that its programs find in those, sorted. */
  readonly sonames: readonly string[]
  /** Packages of the same unit that do, each with the first file that needs it and what it needs. */
  readonly siblings: ReadonlyMap<string, { readonly file: string; readonly soname: string }>
}

/** The folders that the dynamic linker searches unasked, on Debian's merged and unmerged roots. */
const defaultFolder = /^(usr\/(local\/)?)?lib(32|64|x32)?(\/[a-z0-9_]+-linux-gnu[a-z0-9]*)?$/

/** What compilers put into everything that they link: part of a toolchain, and declared by nobody. */
const runtimes =
  /^(ld-linux[a-z0-9_-]*|ld64?|ld-musl[a-z0-9_-]*|lib(c|c\.musl-[a-z0-9_]+|m|dl|rt|pthread|util|resolv|anl|mvec|crypt|nsl|thread_db|gcc_s|stdc\+\+|atomic|gomp|itm|quadmath|gfortran|objc|ssp|asan|tsan|ubsan|lsan|hwasan))\.so(\.|$)/

/**
 * Who the packages' programs and libraries are linked to, and what each package offers to others.
 *
 * @param parts all packages of one unit; of several that bring a library the first is meant
 * @param libraries soname to owner, for everything that is in none of them
 * @param declared package names that the unit declares by itself
 * @returns facts in the order of `parts`
 */
export function linkFacts(
  parts: readonly LinkedPart[],
  libraries: ReadonlyMap<string, LibraryOwner>,
  declared: ReadonlySet<string> = new Set(),
): { readonly facts: readonly LinkFacts[]; readonly findings: readonly Finding[] } {
  const findings: Finding[] = []
  const inside = new Map(parts.map((part) => [part, namesInside(part)]))
  const facts = parts.map((part): LinkFacts => {
    const needs = new Map<string, LibraryOwner>()
    const siblings = new Map<string, { readonly file: string; readonly soname: string }>()
    const outside = new Set<string>()
    for (const { entry, facts } of part.programs) {
      for (const needed of facts.needed) {
        // A path instead of a name is opened as it is; its last part still says which library is meant.
        const soname = needed.slice(needed.lastIndexOf('/') + 1)
        if (inside.get(part)?.has(soname) === true) continue
        const sibling = parts.find((other) => inside.get(other)?.has(soname))
        const owner = libraries.get(soname)
        const file = `/${shown(entry.path)}`
        if (sibling !== undefined) {
          if (!siblings.has(sibling.name)) siblings.set(sibling.name, { file, soname })
        } else if (owner === undefined) findings.push(nobodyBrings(file, soname))
        else {
          if (owner.undeclared === true && !runtimes.test(soname) && !declared.has(owner.name))
            findings.push(undeclared(file, soname, owner.name))
          needs.set(`${owner.name} ${owner.version}`, owner)
          outside.add(soname)
        }
      }
    }
    return { brings: sonames(part), needs: [...needs.values()], sonames: [...outside].sort(), siblings }
  })
  return { facts, findings }
}

function namesInside({ entries, programs }: LinkedPart): ReadonlySet<string> {
  const names = new Set(programs.flatMap(({ entry, facts }) => [facts.soname ?? baseName(entry), baseName(entry)]))
  for (const entry of entries) if (entry.kind === 'symlink' || entry.kind === 'hardlink') names.add(baseName(entry))
  return names
}

function sonames({ programs }: LinkedPart): readonly string[] {
  const found = programs
    .filter((program) => isLinked(program) && program.facts.type === 3 && defaultFolder.test(folderName(program.entry)))
    .flatMap(({ facts }) => (facts.soname === undefined ? [] : [facts.soname]))
    .filter((soname) => /^[!-~]+$/.test(soname))
  return [...new Set(found)].sort()
}

const baseName = ({ path }: DestEntry): string => path.toString('latin1', path.lastIndexOf('/') + 1)
const folderName = ({ path }: DestEntry): string => path.toString('latin1', 0, Math.max(0, path.lastIndexOf('/')))

const nobodyBrings = (file: string, soname: string): Finding => ({
  check: 'needed',
  paths: [file],
  message: `needs ${shown(soname)}, which nothing that this unit depends on brings`,
  hint: `add the unit or package that brings ${shown(soname)} to deps; its package becomes a dependency by itself`,
})

const undeclared = (file: string, soname: string, owner: string): Finding => ({
  check: 'needed',
  paths: [file],
  message: `needs ${shown(soname)}, which is only there since the toolchain has ${owner}`,
  hint: `declare it: deps = ["${owner}"], or build without it`,
})
