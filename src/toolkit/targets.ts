import type { Arch } from '#engine/arch.ts'
import { inertReason } from '#engine/catalog/inert.ts'
import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { ImageUnit, Machine, Project } from '#engine/project/model.ts'
import type { Catalog } from './catalog-view.ts'
import { kindOf } from './introspect/query.ts'

/** An image of a machine. */
export interface Target {
  readonly image: string
  readonly machine: string
  readonly arch: Arch
  /** What it would be built for; undefined when it can't be. */
  readonly distro?: string
  /** Why the machine can't have it. */
  readonly inert?: string
}

/**
 * What an image is built for on a machine: `asked` or the project's default where the image allows it, else the first
 * that can be served; undefined when none can.
 */
export function servedDistro(
  project: Project,
  machine: Machine,
  image: ImageUnit,
  asked?: string | undefined,
): string | undefined {
  const usual = asked ?? project.defaults.distro ?? project.feeds[0]?.distro
  const own = image.distros ?? (usual === undefined ? [] : [usual])
  const inOrder = own.toSorted((a, b) => Number(b === usual) - Number(a === usual))
  return inOrder.find((distro) => inertReason(project, machine, { ...image, distros: [distro] }) === undefined)
}

/** Every image with every machine, those that can't be with the reason. */
export function targetsOf(project: Project, asked: string | undefined): readonly Target[] {
  return project.machines.flatMap((machine) =>
    project.units.flatMap((image): readonly Target[] => {
      if (image.kind !== 'image') return []
      const distro = servedDistro(project, machine, image, asked)
      const usual = asked ?? project.defaults.distro
      const inert = distro === undefined ? inertReason(project, machine, image, usual) : undefined
      return [
        {
          ...{ image: image.name, machine: machine.name, arch: machine.arch },
          ...(distro === undefined ? {} : { distro }),
          ...(inert === undefined ? {} : { inert }),
        },
      ]
    }),
  )
}

/**
 * Everything that can be built for a catalog's machine, by name: units that have their name, and images of any distro.
 *
 * @param wanted `unit`, `image`, or the class that declared them; undefined: all
 * @throws {YoeError} USAGE for a class that there is none of
 */
export function everyTarget({ project, machine, view }: Catalog, wanted: string | undefined): readonly string[] {
  const known = ['unit', 'image', ...new Set(project.units.flatMap((unit) => unit.builtVia))]
  if (wanted !== undefined && !known.includes(wanted)) {
    throw new YoeError('USAGE', `nothing is of class "${wanted}"`, {
      hint: didYouMean(wanted, known) ?? `there are: ${known.join(', ')}`,
    })
  }
  const units = view.units().filter((unit) => unit.kind === 'package')
  const images = project.units.filter(
    (unit) => unit.kind === 'image' && servedDistro(project, machine, unit) !== undefined,
  )
  const all = [...units, ...images].filter(
    (unit) => wanted === undefined || kindOf(unit) === wanted || unit.builtVia.includes(wanted),
  )
  return [...new Set(all.map(({ name }) => name))]
}
