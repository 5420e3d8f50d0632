import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { ImageUnit, Kernel, Partition, PublicConfig } from '#engine/project/model.ts'
import type { Catalog } from './catalog-view.ts'
import { sizeText } from './configuration.ts'

/** What a build of an image on a machine would use; needs no feed. */
export interface Resolved {
  readonly image: string
  readonly machine: string
  readonly arch: string
  readonly distro: string
  readonly format: string
  /** `unit` is the one that the declared name means, where it means a unit. */
  readonly kernel: Kernel | null
  readonly bootloader: string | null
  readonly partitions: readonly {
    readonly label: string
    readonly type: string
    readonly size: string
    readonly root: boolean
  }[]
  readonly hostname: string
  readonly timezone: string
  readonly locale: string
  readonly services: readonly string[]
  /** The unit whose root file system tasks run in, and the one with which images are assembled. */
  readonly toolchain: string | null
  readonly tools: string | null
  readonly publicConfig: PublicConfig | null
}

/** @throws {YoeError} UNIT_NOT_FOUND */
export function resolvedConfiguration(catalog: Catalog, name: string): Resolved {
  const { view, distro, format } = catalog
  const { machine } = view
  const image = imageCalled(catalog, name)
  return {
    image: image.name,
    machine: machine.name,
    arch: machine.arch,
    distro,
    format: format.name,
    kernel:
      machine.kernel === undefined
        ? null
        : { ...machine.kernel, unit: view.find(machine.kernel.unit)?.name ?? machine.kernel.unit },
    bootloader: machine.bootloader === undefined ? null : (machine.bootloader.unit ?? machine.bootloader.kind),
    partitions: partitionsOf(image.partitions ?? machine.partitions),
    hostname: image.hostname ?? machine.name,
    timezone: image.timezone,
    locale: image.locale,
    services: image.services,
    toolchain: view.find('toolchain')?.name ?? null,
    tools: view.find('tools')?.name ?? null,
    publicConfig: machine.publicConfig ?? null,
  }
}

function imageCalled({ view, project }: Catalog, name: string): ImageUnit {
  const found = view.find(name)
  if (found?.kind === 'image') return found
  const images = project.units.filter(({ kind }) => kind === 'image').map((unit) => unit.name)
  throw new YoeError('UNIT_NOT_FOUND', `there is no image "${name}" for ${view.machine.name} on ${view.distro}`, {
    hint: didYouMean(name, images) ?? `there are: ${images.join(', ') || 'none'}`,
  })
}

/** Without any, a disk has one partition, as large as needed. */
function partitionsOf(declared: readonly Partition[]): Resolved['partitions'] {
  if (declared.length === 0) return [{ label: 'root', type: 'ext4', size: 'fill', root: true }]
  return declared.map(({ label, type, size, root }) => ({
    label,
    type,
    size: size === 'fill' ? size : sizeText(size),
    root,
  }))
}
