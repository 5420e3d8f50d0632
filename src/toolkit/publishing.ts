import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Arch } from '#engine/arch.ts'
import type { BuildContext } from '#engine/build/context.ts'
import type { Finished } from '#engine/build/finished.ts'
import { step } from '#engine/events.ts'
import type { PackageFormat, RepositoryEntry, SigningKey } from '#engine/formats.ts'
import type { Node } from '#engine/plan/graph.ts'
import { ensureKey, loadKey } from '#feeds/keys/project-keys.ts'
import type { BuildOptions } from './building.ts'
import { buildPlan, throwFailures } from './building.ts'
import { keyOwner } from './cache-trust.ts'
import { warnOfDev } from './dev/warn.ts'
import { keyringEntry, publishedKeys } from './device-feed.ts'
import { type FeedTarget, publishTo, targetTitle } from './feed-target.ts'
import { publisherOf } from './formats.ts'
import { imageEntries, unitEntries } from './image-building.ts'
import type { Plan } from './planning.ts'

/** Seconds since 1970. */
const now = (): number => Math.floor(Date.now() / 1000)

/** What packages are published as. */
export type Publication = Pick<Plan, 'workspace' | 'project' | 'distro' | 'suite' | 'format'>

/** The project's feed key, made when there is none yet (which is told). */
export async function feedKey(plan: Plan): Promise<SigningKey> {
  const { keyUse } = await publisherOf(plan.format)
  const { key, created } = await ensureKey(keyOwner(plan), keyUse)
  if (created) {
    const message = `made the ${keyUse} key of ${plan.project.name}, ${key.fingerprint}; yoe key show says where it is`
    plan.workspace.report({ type: 'notice', message })
  }
  return key
}

/**
 * The project's feed key, or one that only this process has: for jobs that must not have the real one.
 *
 * @param mayUse false: the project's key is not even read, wherever it may be
 */
export async function feedKeyOrThrowaway(
  plan: Parameters<typeof keyOwner>[0] & { readonly format: Pick<PackageFormat, 'name'> },
  mayUse = true,
): Promise<{ readonly key: SigningKey; readonly throwaway: boolean }> {
  const publisher = await publisherOf(plan.format)
  const own = mayUse ? await loadKey(keyOwner(plan), publisher.keyUse) : undefined
  return { key: own ?? (await publisher.generateKey(plan.project.name)), throwaway: own === undefined }
}

/** Where the project's own repository of a distro is: `repo/<project>/<distro>`. */
export function repositoryRoot(plan: Plan): string {
  return join(plan.workspace.repoRoot, plan.project.name, plan.distro)
}

/**
 * Writes everything that the planned images install, and the planned units, into the project's own signed repository;
 * what is not built yet is built.
 */
export async function fillRepository(plan: Plan, key: SigningKey, options: BuildOptions): Promise<string> {
  const root = repositoryRoot(plan)
  warnOfDev(plan, true)
  const outcome = await buildPlan(plan, {
    ...options,
    targets: plan.targets.flatMap((node): readonly Node[] => (node.kind === 'image' ? node.units : [node])),
    finish: async (context, results) => {
      const entries = await plannedEntries(plan, context, results)
      await publishWithKeyring(plan, key, root, new Map([[plan.machine.arch, entries]]))
    },
  })
  throwFailures(outcome)
  return root
}

/** {@link publishEntries}, with the package by which devices follow when the key is replaced. @param entries by architecture */
export async function publishWithKeyring(
  plan: Publication,
  key: SigningKey,
  root: string,
  entries: ReadonlyMap<Arch, readonly RepositoryEntry[]>,
): Promise<void> {
  const { report } = plan.workspace
  const workdir = await mkdtemp(join(tmpdir(), 'yoe-keyring-'))
  try {
    const keyring = await keyringEntry(plan, await publishedKeys(plan, key, report), workdir, report)
    for (const [arch, own] of entries) await publishEntries(plan, arch, key, root, [...own, keyring])
  } finally {
    await rm(workdir, { recursive: true, force: true })
  }
}

/** Adds packages of an architecture to the project's repository. */
export function publishEntries(
  plan: Publication,
  arch: Arch,
  key: SigningKey,
  root: string,
  entries: readonly RepositoryEntry[],
): Promise<void> {
  const { workspace, project, distro, suite, format } = plan
  return step(workspace.report, `index ${entries.length} packages`, () =>
    format.publish({
      root,
      project: project.name,
      distro,
      suite,
      arch,
      entries,
      signingKey: key,
      date: now(),
      report: workspace.report,
    }),
  )
}

/** The package files of a plan's targets: closures of images, all packages of their units and of units; each once. */
export async function plannedEntries(
  plan: Plan,
  context: BuildContext,
  results: Finished,
): Promise<readonly RepositoryEntry[]> {
  const entries = new Map<string, RepositoryEntry>()
  for (const node of plan.targets) {
    if (node.kind === 'toolchain') continue
    const found =
      node.kind === 'package'
        ? await unitEntries(context, node, results)
        : Object.values(await imageEntries(plan, context, node, results)).flat()
    for (const entry of found) entries.set(entry.sha256, entry)
  }
  return [...entries.values()]
}

/** How a feed is published. */
export interface Publishing {
  readonly to: FeedTarget
  /** The address that it is served at, for the page and for devices; the project's own when none is given. */
  readonly url?: string | undefined
  /** Versions of each package that stay on offer; 3 unless given. */
  readonly keep?: number | undefined
}

export interface Published {
  readonly packages: number
  readonly fingerprint: string
  /** Where devices find it, when that is known. */
  readonly url: string | undefined
}

/** Brings the project's repository to where devices read it. */
export async function publishFeed(
  plan: Publication,
  source: string,
  key: SigningKey,
  { to, url: asked, keep }: Publishing,
): Promise<Published> {
  const { project, suite, workspace } = plan
  const { report } = workspace
  const url = asked ?? project.feed?.url
  const feed = {
    ...{ source, project: project.name, suite, signingKey: key, date: now(), report },
    ...(url === undefined ? {} : { url }),
    ...(keep === undefined ? {} : { keep }),
  }
  const published = await step(report, `publish to ${targetTitle(to)}`, async () =>
    publishTo(to, await publisherOf(plan.format), feed, workspace),
  )
  return { ...published, fingerprint: key.fingerprint }
}

/** What to type on a device to use a published feed. @param key that signs it, where it is at hand */
export async function installSnippet(plan: Publication, url: string, key?: SigningKey): Promise<string> {
  const publisher = await publisherOf(plan.format)
  return (await publisher.installSnippet({ project: plan.project.name, suite: plan.suite, url, key })).join('\n')
}
