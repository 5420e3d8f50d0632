import { imageText } from '#engine/containers/reference.ts'
import { userErrors, YoeError, YoeErrors } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import type { ImageLock, Lock } from '#engine/modules/lock.ts'
import { imageEntry, keyOf } from '#engine/modules/lock.ts'
import type { Node } from '#engine/plan/graph.ts'
import { inOrder } from '#engine/plan/graph.ts'
import type { ContainerImage, Project, ToolchainUnit } from '#engine/project/model.ts'
import { fetcherOf } from './fetching.ts'
import type { LockState } from './lock-file.ts'
import type { Workspace } from './workspace.ts'

/** A container that is an image of a registry, named by its tag. */
export interface MovingImage {
  readonly unit: ToolchainUnit
  readonly image: ContainerImage
}

/** Whose image has a tag that may move, whatever is known of it: one that says its digest never does. */
export function movingImage(unit: Project['units'][number]): MovingImage | undefined {
  if (unit.kind !== 'toolchain' || unit.image === undefined || unit.image.tag === '') return undefined
  return { unit, image: unit.image }
}

/** The project with the digests that the lock has for tags of images. */
export function pinImages(project: Project, { images }: Pick<Lock, 'images'>): Project {
  if (images.length === 0) return project
  const digests = new Map(images.map((entry) => [keyOf(entry), entry.sha256]))
  const units = project.units.map((unit) => {
    const moving = movingImage(unit)
    const digest = moving === undefined ? undefined : digests.get(keyOf(imageEntry(moving.image, '')))
    if (moving === undefined || digest === undefined || moving.image.digest !== undefined) return unit
    return { ...moving.unit, image: { ...moving.image, digest } }
  })
  return { ...project, units }
}

/** What must be pinned before the nodes can have keys. */
export function unpinnedImages(targets: readonly Node[]): readonly MovingImage[] {
  return inOrder(targets).flatMap((node) => {
    const moving = movingImage(node.unit)
    return moving === undefined || moving.image.digest !== undefined ? [] : [moving]
  })
}

/**
 * The project with the images of `missing` pinned to what their tags mean now; the lock gets it, so that it stays so.
 * @throws {YoeErrors} LOCK_STALE for each where only what is locked may be used; FETCH_FAILED
 */
export async function pinImagesNow(
  workspace: Workspace,
  state: LockState,
  project: Project,
  missing: readonly MovingImage[],
): Promise<Project> {
  if (state.locked)
    throw new YoeErrors(
      missing.map(
        ({ unit, image }) =>
          new YoeError('LOCK_STALE', `the image ${imageText(image)} is not in yoe.lock`, {
            at: image.at,
            unit: unit.name,
            hint: `yoe update ${unit.name}, and commit yoe.lock`,
          }),
      ),
    )
  const { writeDown } = await import('./module-sync.ts')
  const found = await askImages(workspace, project, missing)
  if (state.writable) await writeDown(workspace, state.lock, found)
  return pinImages(project, { images: found.map((entry) => ({ ...entry, line: 0 })) })
}

/**
 * Asks registries what tags mean now, each once.
 * @throws {YoeErrors} FETCH_FAILED at each container whose registry gives no answer
 */
export async function askImages(
  workspace: Workspace,
  project: Project,
  asked: readonly MovingImage[],
): Promise<readonly ImageLock[]> {
  if (asked.length === 0) return []
  const [{ Registry }, { Store }] = await Promise.all([
    import('#engine/containers/registry.ts'),
    import('#engine/store/store.ts'),
  ])
  const { offline, report, signal, cacheRoot } = workspace
  const fetcher = fetcherOf(workspace, project)
  const registry = new Registry({ fetcher, store: await Store.open(cacheRoot), offline, report, signal })
  const errors: YoeError[] = []
  const found: ImageLock[] = []
  const questions = new Map(asked.map((one) => [keyOf(imageEntry(one.image, '')), one]))
  for (const { unit, image } of questions.values()) {
    try {
      const digest = await step(report, `Ask for ${imageText(image)}`, () => registry.digestOf(image))
      found.push(imageEntry(image, digest))
    } catch (failure) {
      const told = userErrors(failure)
      if (told === undefined) throw failure
      for (const { code, message, hint, cause } of told)
        errors.push(new YoeError(code, message, { hint, cause, at: image.at, unit: unit.name }))
    }
  }
  if (errors.length > 0) throw new YoeErrors(errors)
  return found
}
