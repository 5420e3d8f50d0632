import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { foldersOf } from '#engine/build/folders.ts'
import { YoeError } from '#engine/errors.ts'
import type { Node } from '#engine/plan/graph.ts'
import type { UnitManifest } from '#engine/store/manifest.ts'
import { revokedIds } from '#engine/store/named-keys.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import type { Store } from '#engine/store/store.ts'
import { imageFiles } from './image-files.ts'
import type { Plan } from './planning.ts'

/** A finished file where users look for it. */
export interface Output {
  readonly unit: string
  /** Absolute. */
  readonly path: string
}

/** What lies in a node's folder: from which result, under which names. */
interface Placed {
  readonly hash: string
  readonly files: readonly string[]
  /** Keys that were revoked then: another one may have signed it. */
  readonly revoked: readonly string[]
}

const placedName = 'outputs.json'

/**
 * The outputs of a plan's targets when they lie where they belong and nothing changed since.
 * @returns undefined when one of them does not
 */
export async function outputsOf(plan: Plan): Promise<readonly Output[] | undefined> {
  const found = await Promise.all(plan.targets.map((node) => placedOf(plan, node)))
  return found.every((outputs) => outputs !== undefined) ? found.flat() : undefined
}

async function placedOf(plan: Plan, node: Node): Promise<readonly Output[] | undefined> {
  const { root } = foldersOf(plan.workspace.buildRoot, node)
  try {
    const placed: Placed = JSON.parse(await readFile(join(root, placedName), 'utf8'))
    if (placed.hash !== plan.keys.get(node)?.hash) return undefined
    if (!revokedIn(plan).every((id) => placed.revoked.includes(id))) return undefined
    const outputs = placed.files.map((name) => ({ unit: node.unit.name, path: join(root, name) }))
    return outputs.every(({ path }) => existsSync(path)) ? outputs : undefined
  } catch {
    return undefined // none, or half written: they are placed again
  }
}

function revokedIn({ project }: Plan): readonly string[] {
  return [...revokedIds(project.cache.signing)]
}

/** Puts the finished files of a node into its folder under `build/`: read-only names for what the cache holds. */
export async function placeOutputs(
  plan: Plan,
  store: Store,
  node: Node,
  manifest: UnitManifest,
): Promise<readonly Output[]> {
  const { root } = foldersOf(plan.workspace.buildRoot, node)
  await mkdir(root, { recursive: true })
  const files: string[] = []
  for (const { name, sha256 } of manifest.files) {
    const shown = node.kind === 'image' && name === imageFiles.disk ? `${node.unit.name}.img` : name
    if (node.kind === 'toolchain') continue
    if (!(await store.objects.materialize(sha256, join(root, shown), 'link'))) {
      throw new YoeError('STORE_DAMAGED', `${name} of ${node.unit.name} in the cache is damaged`, {
        unit: node.unit.name,
        hint: `yoe build --force ${node.unit.name} makes it anew`,
      })
    }
    files.push(shown)
  }
  const placed: Placed = { hash: manifest.hash, files, revoked: revokedIn(plan) }
  await replaceFile(join(root, placedName), `${JSON.stringify(placed)}\n`)
  return files.map((name) => ({ unit: node.unit.name, path: join(root, name) }))
}
