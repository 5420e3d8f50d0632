import type { Arch } from '#engine/arch.ts'
import { YoeError } from '#engine/errors.ts'
import type { PlannedCell } from './engine-port.ts'

/** One job of the build matrix. Of a job with several cells the texts are lists, separated by commas. */
export interface MatrixRow {
  /** What the job is called: the cell without what is the same for all. */
  readonly name: string
  readonly cell: string
  readonly runner: string
  readonly machine: string
  readonly image: string
  readonly distro: string
  readonly arch: string
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
  /** Jobs that there may be; beyond, cells of the same runner share one. Undefined: a job for each cell. */
  readonly maxJobs?: number | undefined
}

/** GitHub's own runners; riscv64 has none and is built under emulation. */
export const defaultRunners: Readonly<Record<Arch, string>> = {
  x86_64: 'ubuntu-24.04',
  arm64: 'ubuntu-24.04-arm',
  riscv64: 'ubuntu-24.04',
}

/** GitHub's limit on the jobs of one matrix. */
export const mostJobs = 256

/**
 * The jobs that a change needs, in the order of the cells.
 *
 * @throws {YoeError} USAGE when there are more than one matrix may have
 */
export function planMatrix({ cells, runners, changed, maxJobs }: MatrixInput): Matrix {
  const affected = cells.filter((cell) => isAffected(cell, changed))
  if (maxJobs === undefined && affected.length > mostJobs)
    throw new YoeError('USAGE', `${affected.length} cells are to be built, a matrix may have ${mostJobs} jobs`, {
      hint: 'let jobs build several cells each, such as `max-jobs: 64`, or name fewer in `cells`, such as "qemu-*/*"',
    })
  const oneDistro = new Set(affected.map(({ distro }) => distro)).size < 2
  const nameOf = ({ machine, image, distro }: PlannedCell): string =>
    oneDistro ? `${machine}/${image}` : `${machine}/${image}/${distro}`
  const byRunner = new Map<string, PlannedCell[]>()
  for (const cell of affected) {
    const runner = runnerFor(cell, runners)
    byRunner.set(runner, [...(byRunner.get(runner) ?? []), cell])
  }
  const jobs = [...shares(byRunner, maxJobs ?? affected.length)].flatMap(([runner, count]) =>
    pieces(byRunner.get(runner) ?? [], count).map((share) => ({ runner, share })),
  )
  const order = new Map(affected.map((cell, index) => [cell, index]))
  const place = ({ share }: (typeof jobs)[number]): number => order.get(share[0] ?? never()) ?? 0
  const include = jobs
    .sort((a, b) => place(a) - place(b))
    .map(({ runner, share }): MatrixRow => {
      const list = (what: (cell: PlannedCell) => string): string => [...new Set(share.map(what))].join(',')
      return {
        name: `${nameOf(share[0] ?? never())}${share.length === 1 ? '' : ` and ${share.length - 1} more`}`,
        cell: list(({ cell }) => cell),
        runner,
        machine: list(({ machine }) => machine),
        image: list(({ image }) => image),
        distro: list(({ distro }) => distro),
        arch: list(({ arch }) => arch),
      }
    })
  return { include }
}

/** How many jobs each runner gets: one at least, the rest where a job would have the most cells. */
function shares(byRunner: ReadonlyMap<string, readonly PlannedCell[]>, jobs: number): ReadonlyMap<string, number> {
  if (byRunner.size > jobs)
    throw new YoeError('USAGE', `cells are built on ${byRunner.size} kinds of runners, and ${jobs} jobs are allowed`, {
      hint: `raise \`max-jobs\` to ${byRunner.size} at least`,
    })
  const counts = new Map([...byRunner.keys()].map((runner) => [runner, 1]))
  const load = (runner: string): number => (byRunner.get(runner)?.length ?? 0) / (counts.get(runner) ?? 1)
  for (let left = jobs - byRunner.size; left > 0; left--) {
    const [busiest] = [...counts.keys()].sort((a, b) => load(b) - load(a))
    if (busiest === undefined || load(busiest) <= 1) break
    counts.set(busiest, (counts.get(busiest) ?? 0) + 1)
  }
  return counts
}

/** Neighbours stay together: cells of one machine share the most. */
function pieces(cells: readonly PlannedCell[], count: number): readonly (readonly PlannedCell[])[] {
  const border = (i: number): number => Math.floor((i * cells.length) / count)
  return Array.from({ length: count }, (_, i) => cells.slice(border(i), border(i + 1)))
}

function never(): never {
  throw new TypeError('a job without cells')
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
