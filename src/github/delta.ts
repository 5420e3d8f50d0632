import type { CellReport } from './engine-port.ts'

/** What a commit's image holds, as far as it is compared. */
export interface ImageContents {
  readonly packages: readonly { readonly name: string; readonly version: string; readonly size: number }[]
  /** Bytes as stored (images are sparse); undefined when it was restored. */
  readonly imageBytes?: number
}

/** What a change does to an image. Bytes, negative when it got smaller. */
export interface Delta {
  /** By name; `before` is undefined for what is new, `after` for what is gone. */
  readonly packages: readonly {
    readonly name: string
    readonly before?: string
    readonly after?: string
    readonly bytes: number
  }[]
  readonly packageBytes: number
  readonly imageBytes?: number
}

export function contentsOf({ packages, disk, units, image }: CellReport): ImageContents | undefined {
  if (packages === undefined) return undefined
  // A restored image has holes where a built one has zeros: only what was built can be compared.
  const built = units.some(({ name, outcome }) => name === image && outcome === 'built')
  return {
    packages: packages.map(({ name, version, size }) => ({ name, version, size })),
    ...(disk === undefined || !built ? {} : { imageBytes: disk.size }),
  }
}

export function deltaOf(before: ImageContents, after: ImageContents): Delta {
  const old = new Map(before.packages.map((one) => [one.name, one]))
  const now = new Map(after.packages.map((one) => [one.name, one]))
  const packages = [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((name) => {
    const [was, is] = [old.get(name), now.get(name)]
    if (was?.version === is?.version && was?.size === is?.size) return []
    return [
      {
        name,
        ...(was === undefined ? {} : { before: was.version }),
        ...(is === undefined ? {} : { after: is.version }),
        bytes: (is?.size ?? 0) - (was?.size ?? 0),
      },
    ]
  })
  return {
    packages,
    packageBytes: total(after) - total(before),
    ...(before.imageBytes === undefined || after.imageBytes === undefined
      ? {}
      : { imageBytes: after.imageBytes - before.imageBytes }),
  }
}

/** `3 packages are different`. */
export function differing({ packages }: Delta): string {
  return packages.length === 1 ? '1 package is different' : `${packages.length} packages are different`
}

function total({ packages }: ImageContents): number {
  return packages.reduce((sum, { size }) => sum + size, 0)
}
