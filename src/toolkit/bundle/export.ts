import { rename, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { BundleIndex, BundleTarget } from '#engine/bundle/document.ts'
import { namedObjects } from '#engine/bundle/document.ts'
import { describeObject, writeBundle } from '#engine/bundle/write.ts'
import { YoeError } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import { inParallel } from '#engine/in-parallel.ts'
import { inOrder } from '#engine/plan/graph.ts'
import { writeFailure } from '#engine/store/disk.ts'
import type { UnitManifest } from '#engine/store/manifest.ts'
import { seal } from '#engine/store/manifest.ts'
import type { CacheSigner } from '#engine/store/signing.ts'
import { Store } from '#engine/store/store.ts'
import { tempName } from '#engine/store/temp.ts'
import { buildPlan, throwFailures } from '../building.ts'
import { cacheTrustOf } from '../cache-trust.ts'
import { listCells } from '../cells.ts'
import { provideFeedLayer } from '../image-building.ts'
import type { Plan } from '../planning.ts'
import { makePlan, makePlans } from '../planning.ts'
import type { Workspace } from '../workspace.ts'
import { Gathering, lockText, refuseEdited } from './contents.ts'
import { signerFrom } from './keys.ts'
import type { BundleSummary } from './summary.ts'
import { partsOfBundle } from './summary.ts'

export interface ExportOptions {
  readonly machine: string | undefined
  readonly distro: string | undefined
  /** Units and images; empty: the default image. */
  readonly names: readonly string[]
  /** Every image of the project's own machines instead. */
  readonly all: boolean
  /** As typed. */
  readonly out: string
  /** File of the private key; undefined: the project's own, where there is one. */
  readonly sign: string | undefined
  readonly jobs: number
}

export interface Exported extends BundleSummary {
  /** Absolute. */
  readonly out: string
}

/** Seconds of how long something took, and who made it, would make each machine's bundle another one. */
const facts = { builtAt: 1_704_067_200_000, ms: 0, builder: 'bundle' }

/**
 * Writes all that is needed to build targets without a network into one file: what was built, and what it is built from.
 * What is missing is built or fetched first. The same project gives the same bytes.
 *
 * @throws {YoeErrors} SOURCE_STATE for units that are edited in place; what can't be built or fetched
 */
export async function exportBundle(workspace: Workspace, options: ExportOptions): Promise<Exported> {
  await requirePlace(resolve(workspace.cwd, options.out), options.out)
  const given = options.sign === undefined ? undefined : await signerFrom(workspace, options.sign)
  const plans = await plansOf(workspace, options)
  const [first] = plans
  if (first === undefined) throw new YoeError('USAGE', 'there is nothing to export', { hint: 'yoe list images' })
  for (const plan of plans) refuseEdited(plan)
  const signer = given ?? (await ownSigner(first))
  const { report, cacheRoot, cwd } = first.workspace
  const store = await Store.open(cacheRoot, { report })
  await store.hold()
  const gathering = new Gathering(store)
  const out = resolve(cwd, options.out)
  const unfinished = `${out}.${tempName()}`
  try {
    const manifests = new Map<string, UnitManifest>()
    for (const plan of plans) {
      for (const manifest of await built(plan, options.jobs)) {
        const id = `${manifest.arch}/${manifest.hash}`
        const known = manifests.get(id)
        // A layer that several images share is named after one of them, whichever was built first here.
        if (known === undefined || manifest.unit < known.unit) manifests.set(id, manifest)
      }
      await gathering.add(plan)
    }
    const results = [...manifests.values()].map((manifest) => seal({ ...manifest, facts }, 'trusted', signer))
    const { commits, files, lists, packs } = gathering
    const named = { results, commits, files, lists }
    const pathOf = async (sha256: string): Promise<string> => {
      const path = packs.get(sha256) ?? (await store.objects.path(sha256))
      if (path !== undefined) return path
      throw new YoeError('STORE_DAMAGED', `${cacheRoot} lost object ${sha256}`, {
        hint: 'export again: it is made or fetched',
      })
    }
    const digests = [...namedObjects(named).keys()]
    const objects = await step(report, `Read ${digests.length} objects`, () =>
      inParallel(2, digests, async (sha256) => describeObject(sha256, await pathOf(sha256))),
    )
    const index: BundleIndex = {
      ...{ project: first.project.name, lock: lockText(first.workspace.root), ...named, objects },
      targets: plans.flatMap(targetsOf),
    }
    const size = await step(report, `Write ${options.out}`, (id) =>
      writeBundle(unfinished, index, signer, pathOf, (done, total) =>
        report({ type: 'step-progress', id, done, total, measure: 'bytes' }),
      ),
    )
    await rename(unfinished, out)
    const targets = index.targets
    return {
      ...{ out, size, project: index.project, targets, signer: signer?.keyId ?? null },
      ...{ objects: objects.length, parts: partsOfBundle(index) },
    }
  } catch (failure) {
    throw await writeFailure(failure, dirname(out))
  } finally {
    await rm(unfinished, { force: true })
    for (const path of gathering.packs.values()) await rm(path, { force: true })
    await store.release()
  }
}

/** Said before all the work, not after it. */
async function requirePlace(out: string, typed: string): Promise<void> {
  const isFolder = async (path: string): Promise<boolean> =>
    (await stat(path).catch(() => undefined))?.isDirectory() === true
  if (await isFolder(out))
    throw new YoeError('USAGE', `${typed} is a folder`, { hint: `--out ${typed.replace(/\/*$/, '')}/project.bundle` })
  if (!(await isFolder(dirname(out))))
    throw new YoeError('USAGE', `there is no folder ${dirname(typed)}`, { hint: `mkdir -p ${dirname(typed)}` })
}

async function plansOf(workspace: Workspace, options: ExportOptions): Promise<readonly Plan[]> {
  const { machine, distro, names, all } = options
  if (!all) return makePlans(workspace, { machine, distro, targets: names })
  const plans: Plan[] = []
  for (const cell of await listCells(workspace, [])) {
    if (machine !== undefined && machine !== cell.machine) continue
    if (distro !== undefined && distro !== cell.distro) continue
    plans.push(await makePlan(workspace, { machine: cell.machine, distro: cell.distro, targets: [cell.image] }))
  }
  return plans
}

/** The project's own key, where this machine has one that others believe. */
async function ownSigner(plan: Plan): Promise<CacheSigner | undefined> {
  const { signer } = await cacheTrustOf(plan, 'trusted', plan.workspace.report)
  if (signer === undefined)
    plan.workspace.report({
      type: 'warning',
      message: 'nobody signs the bundle: this machine has no cache key that the project believes',
      hint: 'yoe key generate cache, or --sign FILE; who imports it as it is has to say --unsigned',
    })
  return signer
}

/**
 * What a plan's targets and all below them came to, and the layers that images begin with where a unit of them changes.
 * What is not here is brought or built.
 */
async function built(plan: Plan, jobs: number): Promise<readonly UnitManifest[]> {
  const manifests: UnitManifest[] = []
  const nodes = inOrder(plan.targets)
  const outcome = await buildPlan(plan, {
    ...{ jobs, keepGoing: false, targets: nodes },
    finish: async (context, results, layers) => {
      for (const node of nodes) {
        manifests.push(await results.manifestOf(node))
        if (node.kind !== 'image') continue
        const key = await provideFeedLayer(plan, context, node, results, layers.of(node))
        const layer = await context.store.manifest(node.arch, key)
        if (layer !== undefined) manifests.push({ ...layer.manifest, unit: node.unit.name })
      }
    },
  })
  throwFailures(outcome)
  return manifests
}

function targetsOf({ targets, machine, distro }: Plan): readonly BundleTarget[] {
  return targets.map(({ unit }) => ({ name: unit.name, machine: machine.name, distro }))
}
