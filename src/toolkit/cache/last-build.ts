import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NodeReport } from '#engine/build/executor.ts'
import type { UnitOutcome } from '#engine/events.ts'
import type { Project } from '#engine/project/model.ts'
import type { RemoteCounts } from '#engine/store/remote-counts.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import type { Plan } from '../planning.ts'

const format = 'yoe-last-build/1'

/** What a shared cache did for a build. Sizes are those of entries, as they travel. */
export interface RemoteUse {
  readonly name: string
  readonly hits: number
  readonly misses: number
  readonly restoredBytes: number
  readonly sent: number
  readonly sentBytes: number
}

/** What the last build of a project came to, as far as caches are concerned. */
export interface LastBuild {
  readonly buildRoot: string
  readonly machine: string
  readonly distro: string
  readonly targets: readonly string[]
  /** Milliseconds since 1970. */
  readonly endedAt: number
  /** How long it took, in milliseconds. */
  readonly ms: number
  /** How many units came to what; what lies below something that is cached is not looked at. */
  readonly outcomes: Readonly<Partial<Record<UnitOutcome, number>>>
  /** Milliseconds that what was built took, each unit on its own. */
  readonly builtMs: number
  /** Milliseconds that what was not built took whoever built it. */
  readonly savedMs: number
  readonly remotes: readonly RemoteUse[]
  /** Checkouts of modules in the cache, by the names of their folders. */
  readonly modules: readonly string[]
}

const folderOf = (cacheRoot: string): string => join(cacheRoot, 'builds')

function pathOf(cacheRoot: string, buildRoot: string): string {
  return join(folderOf(cacheRoot), createHash('sha256').update(buildRoot).digest('hex').slice(0, 16))
}

/** Notes what a build came to. That it can't be written, on a full disk, is not what matters then. */
export async function noteBuild(
  plan: Plan,
  reports: readonly NodeReport[],
  remotes: readonly RemoteCounts[],
  ms: number,
): Promise<void> {
  const { workspace, machine, distro, targets, project } = plan
  const { cacheRoot, buildRoot } = workspace
  const outcomes: Partial<Record<UnitOutcome, number>> = {}
  for (const { outcome } of reports) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  const took = (wanted: readonly UnitOutcome[]): number =>
    reports.reduce((sum, { outcome, manifest }) => sum + (wanted.includes(outcome) ? (manifest?.facts.ms ?? 0) : 0), 0)
  const build: LastBuild = {
    buildRoot,
    machine: machine.name,
    distro,
    targets: targets.map(({ unit }) => unit.name),
    endedAt: Date.now(),
    ms: Math.round(ms),
    outcomes,
    builtMs: took(['built']),
    savedMs: took(['cached', 'restored']),
    remotes: remotes.map(({ name, hits, misses, restoredBytes, sent, sentBytes }) => ({
      ...{ name, hits, misses, restoredBytes, sent, sentBytes },
    })),
    modules: checkoutsOf(cacheRoot, project),
  }
  await replaceFile(pathOf(cacheRoot, buildRoot), JSON.stringify({ format, ...build })).catch(() => {})
}

/** Folders of `modules/` that a project's modules are in. */
export function checkoutsOf(cacheRoot: string, { modules }: Pick<Project, 'modules'>): readonly string[] {
  const home = `${join(cacheRoot, 'modules')}/`
  return modules.flatMap(({ root }) => (root.startsWith(home) ? [root.slice(home.length).split('/')[0] ?? ''] : []))
}

/** What the last build of a project came to; undefined when none was noted in this cache. */
export function lastBuild(cacheRoot: string, buildRoot: string): Promise<LastBuild | undefined> {
  return read(pathOf(cacheRoot, buildRoot))
}

/** The last build of every project that uses a cache. */
export async function lastBuilds(cacheRoot: string): Promise<readonly LastBuild[]> {
  const names = await readdir(folderOf(cacheRoot)).catch(() => [])
  const builds = await Promise.all(names.map((name) => read(join(folderOf(cacheRoot), name))))
  return builds.filter((build) => build !== undefined)
}

async function read(path: string): Promise<LastBuild | undefined> {
  try {
    const found: { readonly format?: unknown } & LastBuild = JSON.parse(await readFile(path, 'utf8'))
    return found.format === format ? found : undefined
  } catch {
    // None yet, or damaged.
    return undefined
  }
}
