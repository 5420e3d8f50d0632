import { YoeError } from '../errors.ts'
import type { ImageUnit, Machine, Project } from '../project/model.ts'
import { kernelFor } from './view.ts'

/**
 * Why a machine can't serve an image, whatever is done about names: such an image is listed with this reason, left out
 * where all are built, and an error when it is built by name. Undefined: it can, or something is wrong with it, which is
 * an error.
 *
 * @param distro what images are built for that name none; undefined: any that there is a feed for
 */
export function inertReason(
  project: Project,
  machine: Machine,
  image: ImageUnit,
  distro?: string | undefined,
): string | undefined {
  const known = [...new Set(project.feeds.map((feed) => feed.distro))]
  const distros = image.distros ?? (distro === undefined ? known : [distro])
  const fed = distros.filter((one) => known.includes(one))
  if (fed.length === 0) return `no module of this project has a feed for ${distros.join(', ') || 'any distro'}`
  return noKernelReason(machine, fed)
}

/** Why a machine boots no image of any of these distros: it names kernels by distro, and none for them. */
export function noKernelReason(machine: Machine, distros: readonly string[]): string | undefined {
  const kernels = Object.keys(machine.distroKernels).sort()
  if (kernels.length === 0 || distros.some((distro) => kernelFor(machine, distro) !== undefined)) return undefined
  return `machine "${machine.name}" has a kernel for ${kernels.join(', ')}, not for ${distros.join(', ')}`
}

/** What building such an image by name is answered with. */
export function inertError(machine: Machine, image: ImageUnit, reason: string): YoeError {
  return new YoeError(
    'UNSATISFIABLE',
    `image "${image.name}" can't be built for machine "${machine.name}": ${reason}`,
    {
      at: image.at,
      unit: image.name,
      hint: 'choose another --machine, or give the image a distro that this one serves',
    },
  )
}
