import { readFile, writeFile } from 'node:fs/promises'
import type { RemoteStore } from '#engine/store/remote.ts'
import type { RunContext } from './context.ts'
import { contentsOf, type Delta, deltaOf, type ImageContents } from './delta.ts'
import type { CellReport } from './engine-port.ts'

/** Where it is kept what a commit's image holds: only to be shown beside a pull request's, so unsigned. */
const nameOf = (cell: string, commit: string): string => `contents/${cell}/${commit}`

/** Keeps what the default branch's image holds, for pull requests to compare with. */
export async function keepContents(store: RemoteStore, context: RunContext, report: CellReport): Promise<void> {
  const contents = contentsOf(report)
  if (context.trust !== 'default-branch' || contents === undefined) return
  // Nobody's build fails for want of a comparison.
  await store.put(nameOf(report.cell, context.sha), (path) => writeFile(path, JSON.stringify(contents))).catch(() => {})
}

/** What a pull request does to the image; undefined when there is nothing to compare, or the base commit's image is not known. */
export async function deltaToBase(
  store: RemoteStore,
  context: RunContext,
  report: CellReport,
): Promise<Delta | undefined> {
  const contents = contentsOf(report)
  if (context.event !== 'pull_request' || context.change === undefined || contents === undefined) return undefined
  try {
    const base = await store.get(nameOf(report.cell, context.change.base), async (path) =>
      parseContents(JSON.parse(await readFile(path, 'utf8'))),
    )
    return base === undefined ? undefined : deltaOf(base, contents)
  } catch {
    return undefined
  }
}

function parseContents(value: unknown): ImageContents | undefined {
  if (typeof value !== 'object' || value === null || !('packages' in value) || !Array.isArray(value.packages))
    return undefined
  const packages = value.packages.flatMap((item: unknown) => {
    if (typeof item !== 'object' || item === null || !('name' in item && 'version' in item && 'size' in item)) return []
    const { name, version, size } = item
    return typeof name === 'string' && typeof version === 'string' && typeof size === 'number'
      ? [{ name, version, size }]
      : []
  })
  const imageBytes = 'imageBytes' in value && typeof value.imageBytes === 'number' ? value.imageBytes : undefined
  return { packages, ...(imageBytes === undefined ? {} : { imageBytes }) }
}
