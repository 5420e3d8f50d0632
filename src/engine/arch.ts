/** Architectures as `.star` files name them; formats and QEMU have names of their own for each. */
export const architectures = ['x86_64', 'arm64', 'riscv64'] as const
export type Arch = (typeof architectures)[number]

/** The architecture of this machine; undefined when it is none that units can be built for. */
export function hostArch(): Arch | undefined {
  switch (process.arch) {
    case 'x64':
      return 'x86_64'
    case 'arm64':
      return 'arm64'
    case 'riscv64':
      return 'riscv64'
    default:
      return undefined
  }
}
