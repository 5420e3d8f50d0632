import { YoeError } from '#engine/errors.ts'
import { Store } from '#engine/store/store.ts'
import type { Workspace } from '../workspace.ts'
import { loadProject } from '../workspace.ts'
import type { Collected } from './collect.ts'
import { collect, usualDays } from './collect.ts'
import type { CollectedRemote } from './collect-remote.ts'
import { collectRemote, entryNames } from './collect-remote.ts'
import { needing, needsNothing, needsOf } from './needs.ts'
import { sharedNamed, sharedOf } from './shared.ts'
import { resultsIn } from './things.ts'
import type { Verified } from './verify.ts'
import { verifyStore } from './verify.ts'
import type { VerifiedRemote } from './verify-remote.ts'
import { verifyRemote } from './verify-remote.ts'

export interface CleanOptions {
  readonly machine: string | undefined
  readonly all: boolean
  /** Bytes; undefined: as the project says. */
  readonly budget: number | undefined
  readonly dryRun: boolean
}

/** What went, and how many days of not being used it takes. */
export type Cleaned<T> = T & { readonly days: number; readonly budget: number | null }

/** Clears the cache of this machine away, as the project says how long things stay. @throws {YoeErrors} what is wrong with the project */
export async function cleanStore(
  opened: Workspace,
  { machine, all, budget: asked, dryRun }: CleanOptions,
): Promise<Cleaned<Collected>> {
  const { workspace, project } = await loadProject(opened, machine)
  const { report, signal, cacheRoot } = workspace
  const store = await Store.open(cacheRoot, { report })
  const { retentionDays: days = usualDays } = project.cache
  const budget = asked ?? project.cache.budget
  const needs = all ? needsNothing : await needsOf(workspace, project)
  return {
    ...(await collect(store, { needs, all, days, budget, dryRun, report, signal })),
    days,
    budget: budget ?? null,
  }
}

/** The same of a shared cache that this machine may write to. @throws {YoeError} USAGE, FETCH_FAILED */
export async function cleanRemote(
  opened: Workspace,
  name: string,
  { machine, all, budget, dryRun }: CleanOptions,
): Promise<Cleaned<CollectedRemote>> {
  const { workspace, project } = await loadProject(opened, machine)
  const { report, signal, cacheRoot } = workspace
  const { store: remote, writes, why } = sharedNamed((await sharedOf(workspace, project, true)).shared, name)
  if (!writes)
    throw new YoeError('USAGE', `nothing is removed from ${remote}: ${why}`, {
      hint: 'whoever writes to it clears it away',
    })
  const { retentionDays: days = usualDays } = project.cache
  const needed = new Set<string>()
  if (!all) {
    const needs = await needsOf(workspace, project)
    const here = await resultsIn(await Store.open(cacheRoot, { report }))
    const isNeeded = needing(needs, here)
    for (const id of [...needs.results, ...here.filter(isNeeded).map((thing) => thing.id)]) needed.add(id)
  }
  const collected = await collectRemote(remote, {
    ...{ needed: entryNames(needed), all, days, budget, dryRun, report, signal },
  })
  await remote.close?.()
  return { ...collected, days, budget: budget ?? null }
}

/** Reads what the cache of this machine holds; see {@link verifyStore}. */
export async function verifyHere(opened: Workspace, machine: string | undefined): Promise<Verified> {
  const { workspace, project } = await loadProject(opened, machine)
  const { report, signal, cacheRoot } = workspace
  const { trust } = (await sharedOf(workspace, project)).trust
  return verifyStore({ cacheRoot, trust, report, signal })
}

/** Reads what a shared cache holds; see {@link verifyRemote}. */
export async function verifyThere(
  opened: Workspace,
  name: string,
  { machine, sample }: { readonly machine: string | undefined; readonly sample: number | undefined },
): Promise<VerifiedRemote> {
  const { workspace, project } = await loadProject(opened, machine)
  const { report, signal } = workspace
  const { shared, trust } = await sharedOf(workspace, project)
  const { store: remote } = sharedNamed(shared, name)
  const verified = await verifyRemote(remote, { trust: trust.trust, sample, report, signal })
  await remote.close?.()
  return verified
}
