import { readFile, writeFile } from 'node:fs/promises'
import type { RemoteStore } from '#engine/store/remote.ts'
import type { RunContext } from './context.ts'
import type { CellReport } from './engine-port.ts'

/** Where a commit's list of installed packages is kept: only to be shown beside a pull request's, so unsigned. */
const nameOf = (cell: string, commit: string): string => `packages/${cell}/${commit}`

type Packages = NonNullable<CellReport['packages']>

/** Keeps what the default branch's image holds, for pull requests to compare with. */
export async function keepPackages(store: RemoteStore, context: RunContext, report: CellReport): Promise<void> {
  const { packages } = report
  if (context.trust !== 'default-branch' || packages === undefined) return
  // Nobody's build fails for want of a comparison.
  await store.put(nameOf(report.cell, context.sha), (path) => writeFile(path, JSON.stringify(packages))).catch(() => {})
}

/** What the base branch's image holds; undefined when that is not known. */
export async function basePackages(
  store: RemoteStore,
  context: RunContext,
  report: CellReport,
): Promise<Packages | undefined> {
  if (context.event !== 'pull_request' || context.change === undefined || report.packages === undefined)
    return undefined
  try {
    return await store.get(nameOf(report.cell, context.change.base), async (path) =>
      packagesOf(JSON.parse(await readFile(path, 'utf8'))),
    )
  } catch {
    return undefined
  }
}

function packagesOf(value: unknown): Packages | undefined {
  if (!Array.isArray(value)) return undefined
  return value.flatMap((item: unknown) => {
    if (typeof item !== 'object' || item === null || !('name' in item && 'version' in item && 'size' in item)) return []
    const { name, version, size } = item
    return typeof name === 'string' && typeof version === 'string' && typeof size === 'number'
      ? [{ name, version, size }]
      : []
  })
}
