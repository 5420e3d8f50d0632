import { userErrors } from '#engine/errors.ts'
import { listCells } from './cells.ts'
import { makePlan } from './planning.ts'
import type { Workspace } from './workspace.ts'

/** Package name to version of everything that is in an image, by cell. */
export type ImageContents = ReadonlyMap<string, ReadonlyMap<string, string>>

/** What an image gains and loses. */
export interface ImageChange {
  /** `<machine>/<image>`. */
  readonly cell: string
  readonly added: readonly { readonly name: string; readonly version: string }[]
  readonly removed: readonly { readonly name: string; readonly version: string }[]
  readonly changed: readonly { readonly name: string; readonly before: string; readonly after: string }[]
}

/**
 * What is in each image that the project is built for: the versions of all packages. An image that can't be resolved is
 * left out, and told.
 */
export async function imageContents(workspace: Workspace): Promise<ImageContents> {
  const contents = new Map<string, ReadonlyMap<string, string>>()
  for (const { cell, machine, image, distro } of await listCells(workspace, [])) {
    try {
      const { targets } = await makePlan(workspace, { machine, distro, targets: [image] })
      const closure = targets.flatMap((node) => (node.kind === 'image' ? node.closure : []))
      contents.set(cell, new Map(closure.map(({ name, version }) => [name, version])))
    } catch (failure) {
      const [first] = userErrors(failure) ?? []
      if (first === undefined || first.code === 'CANCELLED') throw failure
      workspace.report({
        type: 'warning',
        message: `${cell} can't be resolved: ${first.message}`,
        hint: `yoe plan ${image}`,
      })
    }
  }
  return contents
}

/** Images that are not what they were, in the order of `after`. */
export function imageChanges(before: ImageContents, after: ImageContents): readonly ImageChange[] {
  return [...after].flatMap(([cell, now]) => {
    const old = before.get(cell)
    if (old === undefined) return []
    const names = [...new Set([...old.keys(), ...now.keys()])].sort()
    const rows = names.map((name) => ({ name, before: old.get(name), after: now.get(name) }))
    const change: ImageChange = {
      cell,
      added: rows.flatMap(({ name, before: was, after: is }) =>
        was === undefined && is !== undefined ? [{ name, version: is }] : [],
      ),
      removed: rows.flatMap(({ name, before: was, after: is }) =>
        was !== undefined && is === undefined ? [{ name, version: was }] : [],
      ),
      changed: rows.flatMap(({ name, before: was, after: is }) =>
        was !== undefined && is !== undefined && was !== is ? [{ name, before: was, after: is }] : [],
      ),
    }
    return change.added.length + change.removed.length + change.changed.length === 0 ? [] : [change]
  })
}
