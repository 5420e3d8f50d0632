import type { Arch } from '#engine/arch.ts'
import { YoeError } from '#engine/errors.ts'
import type { PlannedCell } from './engine-port.ts'

/** One job of the build matrix. */
export interface MatrixRow {
  /** What the job is called: the cell without what is the same for all. */
  readonly name: string
  readonly cell: string
  readonly runner: string
  readonly machine: string
  readonly image: string
  readonly distro: string
  readonly arch: Arch
}

export interface Matrix {
  readonly include: readonly MatrixRow[]
}

export interface MatrixInput {
  readonly cells: readonly PlannedCell[]
  /** Runner label by cell pattern, machine or architecture, the most telling first found; overrides {@link defaultRunners}. */
  readonly runners: ReadonlyMap<string, string>
  /** Paths relative to the project that a change touches; undefined: consider everything changed. */
  readonly changed: readonly string[] | undefined
}

/** GitHub's own runners; riscv64 has none and is built under emulation. */
export const defaultRunners: Readonly<Record<Arch, string>> = {
  x86_64: 'ubuntu-24.04',
  arm64: 'ubuntu-24.04-arm',
  riscv64: 'ubuntu-24.04',
}

/** GitHub's limit on the jobs of one matrix. */
const mostJobs = 256

/**
 * The jobs that a change needs, in the order of the cells.
 *
 * @throws {YoeError} USAGE when there are more than one matrix may have
 */
export function planMatrix({ cells, runners, changed }: MatrixInput): Matrix {
  const affected = cells.filter((cell) => isAffected(cell, changed))
  if (affected.length > mostJobs)
    throw new YoeError('USAGE', `${affected.length} cells are to be built, a matrix may have ${mostJobs}`, {
      hint: 'name fewer in the input `cells`, such as "qemu-*/*", and use one workflow for each set',
    })
  const oneDistro = new Set(affected.map(({ distro }) => distro)).size < 2
  return {
    include: affected.map(({ cell, machine, image, distro, arch }) => ({
      name: oneDistro ? `${machine}/${image}` : `${machine}/${image}/${distro}`,
      cell,
      runner: runnerFor({ cell, machine, arch }, runners),
      machine,
      image,
      distro,
      arch,
    })),
  }
}

/** Whether a change touches what the cell is made of. What is not known counts as touched. */
function isAffected({ inputs }: PlannedCell, changed: readonly string[] | undefined): boolean {
  if (inputs === undefined || changed === undefined) return true
  return changed.some((file) => inputs.some((input) => input === '.' || file === input || file.startsWith(`${input}/`)))
}

function runnerFor(cell: Pick<PlannedCell, 'cell' | 'machine' | 'arch'>, runners: ReadonlyMap<string, string>): string {
  const pattern = [...runners].find(([key]) => key.includes('/') && matches(key, cell.cell))
  return pattern?.[1] ?? runners.get(cell.machine) ?? runners.get(cell.arch) ?? defaultRunners[cell.arch]
}

/** Whether a pattern names a cell: `*` stands for anything within a part; parts that are left out match all. */
export function matches(pattern: string, cell: string): boolean {
  const wanted = pattern.split('/')
  const parts = cell.split('/')
  return wanted.every((part, i) => {
    const regex = part
      .split('*')
      .map((text) => text.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&'))
      .join('[^/]*')
    return new RegExp(`^${regex}$`, 'i').test(parts[i] ?? '')
  })
}
