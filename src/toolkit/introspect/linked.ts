import { readdirSync, readFileSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { foldersOf } from '#engine/build/folders.ts'
import { readLast } from '#engine/build/last.ts'
import type { Alternatives, PackageRecord } from '#engine/catalog/package.ts'
import { userErrors } from '#engine/errors.ts'
import { hashOfInputs } from '#engine/plan/hash.ts'
import type { Json, PackageUnit } from '#engine/project/model.ts'
import { decodeManifest } from '#engine/store/manifest.ts'
import { objectPath } from '#engine/store/object-path.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import type { Catalog } from '../catalog-view.ts'
import { openKept, sealKept } from '../kept.ts'
import { idOf } from './status.ts'

/** What one unit's last build says: package name to the names that it needs beside the declared ones. */
type Linked = Readonly<Record<string, readonly string[]>>

/** By a unit's id: when its last build was remembered, and what it says. */
type Memory = Readonly<Record<string, { readonly stamp: string; readonly linked: Linked }>>

const memoryName = 'linked.json'

/**
 * What packages need beside what their units declare: the owners of libraries that they link, which only the packages
 * themselves know. From each unit's last build here, as far as its packages are in the cache; of a unit that was not
 * built, nothing. Each package is read once.
 *
 * @returns by package name
 */
export async function linkedNames(catalog: Catalog): Promise<ReadonlyMap<string, readonly string[]>> {
  const { workspace, view, distro } = catalog
  const path = join(workspace.buildRoot, memoryName)
  const before = readMemory(path)
  const after: Record<string, Memory[string]> = {}
  const found = new Map<string, readonly string[]>()
  let read = 0
  const there = foldersIn(join(workspace.buildRoot, distro))
  if (there.size === 0) return found
  for (const unit of view.units()) {
    if (unit.kind !== 'package') continue
    const id = idOf(catalog, unit)
    if (!there.has(basename(id))) continue
    const { last } = foldersOf(workspace.buildRoot, { id })
    const info = statSync(last, { throwIfNoEntry: false })
    if (info === undefined) continue
    const stamp = `${info.mtimeMs} ${info.size} ${info.ino}`
    const known = Object.hasOwn(before, id) ? before[id] : undefined
    const linked = known?.stamp === stamp ? known.linked : await linkedOf(catalog, unit, last)
    if (known?.stamp !== stamp) read++
    after[id] = { stamp, linked }
    for (const [name, names] of Object.entries(linked)) if (names.length > 0) found.set(name, names)
  }
  // An accelerator: a folder that can't be written to is no failure. Other machines and distros stay remembered.
  if (read > 0) await replaceFile(path, sealKept(JSON.stringify({ ...before, ...after }))).catch(() => {})
  return found
}

/** Asked once: most of a large project was never built here. */
function foldersIn(path: string): ReadonlySet<string> {
  try {
    return new Set(readdirSync(path))
  } catch {
    return new Set()
  }
}

function readMemory(path: string): Memory {
  try {
    const body = openKept(readFileSync(path, 'utf8'))
    // Written by this very file, and whole.
    const memory: Memory = body === undefined ? {} : JSON.parse(body)
    return memory
  } catch {
    return {}
  }
}

async function linkedOf({ workspace, format }: Catalog, unit: PackageUnit, last: string): Promise<Linked> {
  const inputs = await readLast(last)
  if (inputs === undefined) return {}
  const { cacheRoot } = workspace
  const hash = hashOfInputs(inputs)
  const declared = declaredThen(inputs)
  for (const arch of unit.scope === 'noarch' ? ['noarch'] : ['x86_64', 'arm64', 'riscv64']) {
    const bytes = await readFile(join(cacheRoot, 'units', arch, `${hash}.json`)).catch(() => undefined)
    const sealed = bytes === undefined ? 'missing' : decodeManifest(bytes, arch, hash)
    if (typeof sealed === 'string') continue
    const records = await Promise.all(
      sealed.manifest.files.map(({ sha256 }) => describe(format, objectPath(cacheRoot, sha256), unit)),
    )
    const linked = records.flatMap((record) =>
      record === undefined ? [] : [[record.name, beside(record.depends, declared, unit.name)] as const],
    )
    return Object.fromEntries(linked)
  }
  return {}
}

/** A package that is gone or damaged says nothing. */
async function describe(
  format: Catalog['format'],
  path: string,
  unit: PackageUnit,
): Promise<PackageRecord | undefined> {
  try {
    return await format.describe(path, unit)
  } catch (failure) {
    if (userErrors(failure) !== undefined || (failure instanceof Error && 'code' in failure)) return undefined
    throw failure
  }
}

/** Names that the unit declared when it was built. */
function declaredThen(inputs: Json): ReadonlySet<string> {
  const groups: unknown = typeof inputs === 'object' && inputs !== null ? Reflect.get(inputs, 'runtimeDeps') : undefined
  const names = Array.isArray(groups) ? groups.flat().map((one: unknown) => nameIn(one)) : []
  return new Set(names)
}

const nameIn = (one: unknown): string =>
  typeof one === 'object' && one !== null ? String(Reflect.get(one, 'name')) : String(one)

/** What nobody declared; versions are those of then, and say nothing about now. */
function beside(depends: readonly Alternatives[], declared: ReadonlySet<string>, unit: string): readonly string[] {
  const names = depends.flatMap((group) => group.slice(0, 1).map(({ name }) => name))
  return [...new Set(names)].filter((name) => !declared.has(name) && name !== unit)
}
