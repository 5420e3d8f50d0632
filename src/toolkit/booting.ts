import { join } from 'node:path'
import type { BootOutcome } from '#bsp/boot-report.ts'
import { bootTest } from '#bsp/boot-test.ts'
import type { ImageFiles } from '#bsp/qemu/command.ts'
import { foldersOf } from '#engine/build/folders.ts'
import { YoeError } from '#engine/errors.ts'
import type { ImageNode } from '#engine/plan/graph.ts'
import { imageFiles } from './image-files.ts'
import { outputsOf } from './outputs.ts'
import type { Plan } from './planning.ts'

/** The one image that a plan is about. @throws {YoeError} USAGE */
export function imageOf(plan: Plan): ImageNode {
  const [node, ...others] = plan.targets
  if (node?.kind === 'image' && others.length === 0) return node
  const images = plan.project.units.filter((unit) => unit.kind === 'image').map((unit) => unit.name)
  throw new YoeError('USAGE', node === undefined ? 'say which image' : `"${node.unit.name}" is no image`, {
    hint: images.length === 0 ? 'this project declares no image' : `its images are: ${images.join(', ')}`,
  })
}

/** The files of the built image. @throws {YoeError} USAGE when it is not built, or not as the project now has it */
export async function builtImage(plan: Plan): Promise<ImageFiles> {
  const image = imageOf(plan)
  const outputs = await outputsOf(plan)
  if (outputs === undefined) {
    throw new YoeError('USAGE', `${image.unit.name} is not built as the project has it now`, {
      hint: `yoe build ${image.unit.name}`,
    })
  }
  const { root } = foldersOf(plan.workspace.buildRoot, image)
  const has = (name: string): boolean => outputs.some(({ path }) => path === join(root, name))
  return {
    disk: join(root, `${image.unit.name}.img`),
    ...(has(imageFiles.kernel) ? { kernel: join(root, imageFiles.kernel) } : {}),
    ...(has(imageFiles.initrd) ? { initrd: join(root, imageFiles.initrd) } : {}),
  }
}

export interface BootOptions {
  /** Milliseconds; undefined: as the acceleration found here needs. */
  readonly timeout?: number | undefined
  /** Bytes; undefined: the machine's. */
  readonly memory?: number | undefined
}

/** Boots the built image of a plan, runs its tests in it and powers it off; what fails is in the outcome. */
export async function bootTestPlan(plan: Plan, options: BootOptions): Promise<BootOutcome> {
  const image = imageOf(plan)
  const { report, signal, cacheRoot, buildRoot } = plan.workspace
  return bootTest({
    image: image.unit.name,
    machine: image.machine,
    files: await builtImage(plan),
    checks: image.unit.checks,
    logDir: join(foldersOf(buildRoot, image).root, 'boot-test'),
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
    ...(options.memory === undefined ? {} : { memory: options.memory }),
    cacheRoot,
    report,
    signal,
  })
}
