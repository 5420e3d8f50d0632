import { availableParallelism, hostname } from 'node:os'
import type { Arch } from '#engine/arch.ts'
import { requireEmulation } from '#engine/build/binfmt.ts'
import { Claims } from '#engine/build/claims.ts'
import type { BuildContext } from '#engine/build/context.ts'
import { keyOf } from '#engine/build/context.ts'
import type { BuildNode, NodeReport } from '#engine/build/executor.ts'
import { execute } from '#engine/build/executor.ts'
import type { Finished } from '#engine/build/finished.ts'
import { finishedOf } from '#engine/build/finished.ts'
import { networkAccess } from '#engine/build/network-access.ts'
import { buildPackage } from '#engine/build/package-build.ts'
import { buildToolchain, Roots } from '#engine/build/roots.ts'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import type { Node } from '#engine/plan/graph.ts'
import { inOrder, manifestArch, rootsOf } from '#engine/plan/graph.ts'
import type { Json } from '#engine/project/model.ts'
import { UnitCache } from '#engine/store/cache.ts'
import type { Scope } from '#engine/store/manifest.ts'
import type { RemoteStore } from '#engine/store/remote.ts'
import type { StoreOptions } from '#engine/store/store.ts'
import { Store } from '#engine/store/store.ts'
import { noteBuild } from './cache/last-build.ts'
import { cacheTrustOf } from './cache-trust.ts'
import { warnOfDev } from './dev/warn.ts'
import { sourceDateEpoch } from './epoch.ts'
import { fetcherOf } from './fetching.ts'
import { openFunctions } from './functions.ts'
import { buildImageNode } from './image-building.ts'
import { ImageLayers } from './image-layers.ts'
import type { Output } from './outputs.ts'
import { placeOutputs } from './outputs.ts'
import type { Plan } from './planning.ts'
import type { RebuildWish } from './rebuilding.ts'
import { rebuilds } from './rebuilding.ts'
import { openRemotes, remoteCachesOf } from './remotes.ts'
import { unusableWorker, workerOf } from './worker-choice.ts'

export interface BuildOptions extends RebuildWish {
  readonly jobs: number
  readonly keepGoing: boolean
  /** Milliseconds since 1970 after which no unit is started. */
  readonly deadline?: number | undefined
  /** Caches shared with other machines, nearest first, beside those that the project declares: these are nearer. */
  readonly remotes?: readonly RemoteStore[]
  /** `untrusted`: what this run makes is never read by a run with a key (pull requests of forks). */
  readonly scope?: Scope
  /** What a node was made of when it was built last on another machine, for machines without a past. */
  readonly lastOf?: ((id: string) => Promise<Json | undefined>) | undefined
  /** Nodes to make instead of the plan's targets. */
  readonly targets?: readonly Node[]
  /** What needs the results while the run is open. */
  readonly finish?: (context: BuildContext, results: Finished, layers: ImageLayers) => Promise<void>
}

export interface BuildOutcome {
  readonly reports: readonly NodeReport[]
  readonly context: BuildContext
  /** Of every unit that failed, dependencies first. */
  readonly errors: readonly YoeError[]
}

/**
 * Makes the targets of a plan.
 * @throws {YoeError} SANDBOX_UNAVAILABLE when nothing can be run here; failures of units are in the outcome
 */
export async function buildPlan(plan: Plan, options: BuildOptions): Promise<BuildOutcome> {
  const start = performance.now()
  const { scope = 'trusted', remotes: given = [] } = options
  const { trust, signer, revoked } = await cacheTrustOf(plan, scope, plan.workspace.report)
  const context = await openContext(plan, { scope, revoked })
  await requireWorker(context, plan)
  const roots = new Roots(context)
  const make: BuildNode = async (node, log, others, shared) => {
    const results = finishedOf(context, others, roots)
    switch (node.kind) {
      case 'toolchain':
        return buildToolchain(shared, node, results, log)
      case 'package': {
        const packages = await buildPackage(shared, node, results, log)
        return packages.map(({ filename, path }) => ({ name: filename, path }))
      }
      case 'image':
        return buildImageNode(plan, shared, node, results, layers.of(node), log)
      default:
        return node satisfies never
    }
  }
  const build: BuildNode = (...node) => roots.soundly(() => make(...node))
  const { project, workspace } = plan
  const writing = { trusted: scope !== 'untrusted', signs: signer !== undefined, report: context.report }
  const declared = await openRemotes(remoteCachesOf(workspace, project), workspace, writing)
  const remotes = [...given, ...declared]
  const cache = new UnitCache({
    store: context.store,
    remotes,
    trust,
    signer,
    report: context.report,
    signal: context.signal,
  })
  const documents = remotes.find((remote) => remote.documents !== undefined)?.documents
  const layers = new ImageLayers(context, remotes.length === 0 ? undefined : cache, signer)
  const { finish } = options
  const targets = options.targets ?? plan.targets
  const execution = {
    jobs: options.jobs,
    keepGoing: options.keepGoing,
    rebuild: rebuilds(targets, options),
    deadline: options.deadline,
    lastOf: options.lastOf,
    signer,
    build,
    ...(remotes.length === 0 ? {} : { remotes: cache }),
    ...(documents === undefined
      ? {}
      : { claims: new Claims({ documents, holder: context.builder, report: context.report }) }),
  }
  const reports = await execute(
    context,
    targets,
    execution,
    finish === undefined ? undefined : (results) => finish(context, finishedOf(context, results, roots), layers),
  )
  await layers.settled()
  for (const node of inOrder(targets)) context.store.used(manifestArch(node), keyOf(context, node).hash)
  await cache.close(declared)
  await noteBuild(plan, reports, cache.counts, performance.now() - start)
  await context.store.release()
  return { reports, context, errors: reports.flatMap((report) => report.errors) }
}

/**
 * Makes a plan's targets and puts their files where users look for them.
 * @throws {YoeErrors} when a unit failed
 */
export async function buildTargets(
  plan: Plan,
  options: BuildOptions,
): Promise<{ readonly reports: readonly NodeReport[]; readonly outputs: readonly Output[] }> {
  warnOfDev(plan, false)
  const outputs: Output[] = []
  const outcome = await buildPlan(plan, {
    ...options,
    finish: async (context, results, layers) => {
      for (const node of plan.targets)
        outputs.push(...(await placeOutputs(plan, context.store, node, await results.manifestOf(node))))
      await options.finish?.(context, results, layers)
    },
  })
  await placeFinished(plan, outcome)
  throwFailures(outcome)
  return { reports: outcome.reports, outputs }
}

/** Where some targets failed, those that are finished are told as built, so they lie where users look for them. */
async function placeFinished(plan: Plan, { errors, reports, context }: BuildOutcome): Promise<void> {
  if (errors.length === 0) return
  for (const { node, manifest } of reports)
    if (manifest !== undefined && plan.targets.includes(node)) await placeOutputs(plan, context.store, node, manifest)
}

/** @throws {YoeErrors} when a unit failed */
export function throwFailures({ errors, reports }: BuildOutcome): void {
  if (errors.length > 0) throw new YoeErrors(errors)
  const kept = reports.find((report) => report.outcome === 'skipped' || report.outcome === 'cancelled')
  if (kept !== undefined) throw new YoeError('CANCELLED', `${kept.node.unit.name} was not built: ${kept.why}`)
}

async function openContext(plan: Plan, options: Pick<StoreOptions, 'scope' | 'revoked'>): Promise<BuildContext> {
  const { workspace, project } = plan
  const { report, signal, offline, cacheRoot } = workspace
  return {
    project,
    store: await Store.open(cacheRoot, { report, ...options }),
    worker: workerOf(workspace),
    format: plan.format,
    buildRoot: workspace.buildRoot,
    keys: plan.keys,
    fetchPackage: plan.fetchPackage,
    absolute: plan.absolute,
    functions: ({ unit }) => openFunctions(plan, unit),
    fetcher: fetcherOf(workspace, project),
    network: networkAccess(project.sources, workspace.env),
    offline,
    ...(workspace.local.settings.limits === undefined ? {} : { limits: workspace.local.settings.limits }),
    processors: availableParallelism(),
    maintainer: `${project.name} <${project.name}@localhost>`,
    sourceDateEpoch,
    builder: hostname(),
    report,
    signal,
  }
}

/** The architectures whose programs run when a node is made: those of roots, and of packages that are configured. */
function archesOf(node: Node): readonly Arch[] {
  return node.kind === 'package' ? rootsOf(node).map(({ arch }) => arch) : [node.arch]
}

/** Asked before the first unit: what can't run here is said once, not once for each unit. */
async function requireWorker(context: BuildContext, plan: Plan): Promise<void> {
  const missing = await Promise.all(
    inOrder(plan.targets).map(async (node) => {
      const key = plan.keys.get(node)
      const there = key !== undefined && (await context.store.manifest(manifestArch(node), key.hash)) !== undefined
      return there ? [] : [node]
    }),
  )
  const work = missing.flat()
  if (work.length === 0) return
  await requireEmulation(work.flatMap(archesOf))
  const usable = await context.worker.probe()
  if (!usable.ok) throw unusableWorker(plan.workspace, usable)
}
