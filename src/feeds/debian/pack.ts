import { join } from 'node:path'
import type { Alternatives, Dependency, PackageRecord } from '#engine/catalog/package.ts'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import type { PackedPackage, PackInput } from '#engine/formats.ts'
import { controlArchive } from './control-archive.ts'
import { dataTar } from './data-tar.ts'
import { writeDeb } from './deb-file.ts'
import { type DestEntry, type Problem, type ScannedTree, scanDestdir } from './destdir.ts'
import { type LinkFacts, scanLinks } from './elf-scan.ts'
import type { LibraryOwner } from './libraries.ts'
import { debianArch, debianName, debianVersion, renderRelation, withoutEpoch } from './names.ts'
import { packageName } from './relations.ts'
import { checkServices } from './services.ts'
import { compareVersions, isVersion } from './version.ts'

/**
 * Makes the unit's .deb (one per unit) of what its build left in the destdir. The bytes depend on the unit, the
 * destdir's content and executable bits, and `sourceDateEpoch`; not on who builds where, when, or in which order.
 * Everything in it belongs to root.
 *
 * `replaces` becomes Replaces alone: the package may take over files of the named ones, which stay installed. Whoever
 * wants them gone names them in `conflicts` too.
 *
 * @throws {YoeErrors} all that is wrong with the destdir, PACKAGE_INVALID each: unsafe files, libraries that nobody
 *   brings, services without a unit file, conffiles that don't exist
 * @throws {YoeError} BAD_NAME or BAD_FIELD at the unit's line; DISK_FULL. Nothing is left in `outdir` then.
 */
export async function packDeb(input: PackInput): Promise<readonly PackedPackage[]> {
  const { unit, sourceDateEpoch: mtime } = input
  const bare = bareRecord(input)
  const replaces = unit.replaces.map((one) => renderRelation(relation(input, 'replaces', one)))
  const filename = `${bare.name}_${withoutEpoch(bare.version)}_${bare.arch}.deb`
  const path = join(input.outdir, filename)
  const tree = await scanDestdir(input.destdir, new Set(input.privilegedPaths))
  try {
    const { brings, needs } = await checkTree(input, tree)
    const record = { ...bare, depends: dependencies(input, bare, needs) }
    const sums = new Map<DestEntry, string>()
    const finished = await writeDeb(path, {
      data: dataTar(tree, mtime, sums),
      control: () =>
        controlArchive({ unit, record, replaces, maintainer: input.maintainer, tree, sums, brings }, mtime),
      mtime,
    })
    return [{ record, filename, path, ...finished }]
  } finally {
    await tree.close()
  }
}

/** Everything about the package that needs no look into the destdir. */
function bareRecord(input: PackInput): PackageRecord {
  const { unit } = input
  return {
    name: debianName(unit),
    version: debianVersion(unit),
    arch: unit.scope === 'noarch' ? 'all' : debianArch(input.arch),
    depends: [],
    provides: unit.provides.map((one) => {
      const { name, version } = one
      relation(input, 'provides', version === undefined ? { name } : { name, version: { relation: '=', version } })
      return one
    }),
    conflicts: unit.conflicts.map((one) => relation(input, 'conflicts', one)),
    essential: false,
    priority: 'optional',
    origin: { kind: 'unit', unit: unit.name, at: unit.at },
  }
}

function relation({ unit }: PackInput, field: string, dependency: Dependency): Dependency {
  const { name, version } = dependency
  const valid =
    packageName.test(name) && (version === undefined || (version.relation !== '~' && isVersion(version.version)))
  if (valid) return dependency
  const shown = version === undefined ? name : `${name} ${version.relation} ${version.version}`
  throw new YoeError('BAD_FIELD', `${field} of ${unit.name}: "${shown}" is no relation that Debian packages can have`, {
    hint: 'write a name, or a name and a version: libfoo, libfoo>=1.2',
    at: unit.at,
    unit: unit.name,
  })
}

/** What the unit declares, in its order; then the owners of its libraries by name. Enabling services needs its helper. */
function dependencies(
  input: PackInput,
  { name: self }: PackageRecord,
  owners: readonly LibraryOwner[],
): readonly Alternatives[] {
  const declared = input.runtimeDeps.map((group) => group.map((one) => relation(input, 'runtime_deps', one)))
  const floors = new Map<string, string>()
  for (const { name, version } of owners) {
    const floor = floors.get(name) ?? ''
    floors.set(name, floor !== '' && (version === '' || compareVersions(floor, version) > 0) ? floor : version)
  }
  const linked = [...floors].sort().map(([name, version]): Dependency => {
    return version === '' ? { name } : { name, version: { relation: '>=', version } }
  })
  const helper: Dependency = { name: 'init-system-helpers', version: { relation: '>=', version: '1.52' } }
  const found = [...linked, ...(input.unit.services.length > 0 ? [helper] : [])].map((one): Alternatives => [one])
  const all = [...declared, ...found]
  const versioned = new Set(
    all.flatMap((group) => (group.length === 1 && group[0]?.version !== undefined ? [group[0].name] : [])),
  )
  const kept = all.filter((group) => {
    const [only] = group
    if (group.some(({ name }) => name === self)) return false
    return group.length > 1 || only?.version !== undefined || !versioned.has(only?.name ?? '')
  })
  return [...new Map(kept.map((group) => [group.map(renderRelation).join(' | '), group])).values()]
}

async function checkTree(input: PackInput, tree: ScannedTree): Promise<LinkFacts> {
  const { unit } = input
  // What can't be packed is not looked into either.
  refuse(input, tree.problems)
  const links = await scanLinks(tree, unit.scope === 'noarch' ? undefined : input.arch, input.libraries)
  const empty = tree.entries.length === 1 && unit.tasks.length > 0 && unit.services.length === 0
  refuse(input, [
    ...(empty ? [nothingInstalled] : []),
    ...links.problems,
    ...(await checkServices(unit, tree)),
    ...checkConffiles(input, tree),
  ])
  return links
}

const nothingInstalled: Problem = {
  message: 'its tasks installed nothing',
  hint: 'install below $DESTDIR, such as: make install DESTDIR=$DESTDIR',
}

function checkConffiles({ unit }: PackInput, tree: ScannedTree): readonly Problem[] {
  const kinds = new Map(tree.entries.map((entry) => [`/${entry.path.toString('utf8')}`, entry.kind]))
  return unit.conffiles.flatMap((path) => {
    const kind = kinds.get(path)
    if (kind === 'file' && path.trim() === path) return []
    const what = path.startsWith('/')
      ? kind === undefined
        ? 'is not in the package'
        : `is a ${kind}`
      : 'is not absolute'
    return [{ message: `conffile "${path}" ${what}`, hint: 'name regular files that the unit installs: /etc/app.conf' }]
  })
}

/** Everything found is told together, up to a screenful. */
function refuse({ unit }: PackInput, problems: readonly Problem[]): void {
  const screenful = 20
  const where = { at: unit.at, unit: unit.name }
  const errors = problems
    .slice(0, screenful)
    .map(({ message, hint }) => new YoeError('PACKAGE_INVALID', `${unit.name}: ${message}`, { hint, ...where }))
  const more = problems.length - errors.length
  if (more > 0) {
    const message = `${unit.name}: ${more} more problems with its files`
    errors.push(new YoeError('PACKAGE_INVALID', message, { hint: 'mend the ones above first', ...where }))
  }
  if (errors.length > 0) throw new YoeErrors(errors)
}
