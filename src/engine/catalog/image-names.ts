import type { ImageUnit } from '../project/model.ts'
import type { View } from './view.ts'

/** What an image of a view's machine and distro asks for: the machine's part and its own, each in the order of names. */
export interface ImageNames {
  readonly machine: readonly string[]
  readonly image: readonly string[]
}

/** Names as they are declared, each once, so that the order of a list means nothing. */
export function imageNames({ machine, distro }: View, unit: ImageUnit): ImageNames {
  const { kernel, bootloader, packages, distroPackages } = machine
  const ofMachine = [
    ...(kernel === undefined ? [] : [kernel.unit]),
    ...(bootloader?.unit === undefined ? [] : [bootloader.unit]),
    ...packages,
    ...(Object.hasOwn(distroPackages, distro) ? (distroPackages[distro] ?? []) : []),
  ]
  const { artifacts, distroArtifacts, exclude } = unit
  const own = [...artifacts, ...(Object.hasOwn(distroArtifacts, distro) ? (distroArtifacts[distro] ?? []) : [])]
  return { machine: unique(ofMachine), image: unique(own.filter((name) => !exclude.includes(name))) }
}

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)].sort()
