import { readdirSync, readFileSync, statfsSync } from 'node:fs'
import type { LimitName } from './limits.ts'
import type { Limits } from './worker.ts'

/** What a run's processes use together. */
export interface Usage {
  /** Threads count: they are what RLIMIT_NPROC counts. */
  readonly tasks: number
  readonly memoryBytes: number
  /** The process that is the furthest below. */
  readonly last: number
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // gone between being listed and being read
  }
}

const list = (path: string): string[] => {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** Every process below `pid`, itself first, as far as they can be seen while they come and go. */
export function descendants(pid: number): number[] {
  const found = [pid]
  for (let index = 0; index < found.length; index++)
    for (const thread of list(`/proc/${found[index]}/task`))
      for (const child of read(`/proc/${found[index]}/task/${thread}/children`).split(' '))
        if (child !== '') found.push(Number(child))
  return found
}

const kibibytes = (text: string, field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0)

/**
 * Sums over the processes below `pid`. Memory is what only they hold (anonymous and shared memory; not files mapped);
 * pages that forked processes still share are counted once when the cheap sum is over `enoughBytes`.
 */
function usageOf(pid: number, enoughBytes: number): Usage {
  const pids = descendants(pid)
  let tasks = 0
  let memory = 0
  for (const each of pids) {
    const status = read(`/proc/${each}/status`)
    tasks += Number(/^Threads:\s+(\d+)/m.exec(status)?.[1] ?? 0)
    memory += kibibytes(status, 'RssAnon') + kibibytes(status, 'RssShmem')
  }
  if (memory * 1024 > enoughBytes) {
    memory = 0
    for (const each of pids) {
      const rollup = read(`/proc/${each}/smaps_rollup`)
      memory += kibibytes(rollup, 'Pss_Anon') + kibibytes(rollup, 'Pss_Shmem')
    }
  }
  return { tasks, memoryBytes: memory * 1024, last: pids.at(-1) ?? pid }
}

const every = 250 // ms

/**
 * Files and folders in the fuller one of the memory file systems that a run sees, which are memory that no size bounds; 0
 * where these can't be seen.
 *
 * @param pid of one of its processes
 */
function scratchEntries(pid: number): number {
  return Math.max(...['tmp', 'dev/shm'].map((folder) => entriesOf(`/proc/${pid}/root/${folder}`)))
}

function entriesOf(folder: string): number {
  try {
    const { type, files, ffree } = statfsSync(folder)
    return type === tmpfs ? files - ffree : 0
  } catch {
    return 0 // gone between being listed and being looked at, or somebody else's
  }
}

/** TMPFS_MAGIC. @see statfs(2) */
const tmpfs = 0x01021994

/** @param limits of a run that used too much memory */
export const tooMuchMemory = (limits: Limits): string =>
  `it used more than ${Math.round(limits.memoryBytes / 2 ** 20)} MiB of memory`

/**
 * Looks at a run now and then and says once when it crosses a limit that the kernel only holds per process. A control
 * group (cgroup.ts) holds them exactly, but is not always ours to make; where there is one, it has the last word.
 *
 * @param used told what the run holds at each look, in bytes
 * @returns stops looking
 */
export function watch(
  pid: number,
  limits: Limits,
  crossed: (why: string, limit: LimitName) => void,
  used: (memoryBytes: number) => void = () => {},
): () => void {
  let full = 0
  const timer = setInterval(() => {
    const { tasks, memoryBytes, last } = usageOf(pid, limits.memoryBytes)
    used(memoryBytes)
    // The kernel refuses the next one at the limit; one who stays just below makes no progress.
    full = tasks >= (limits.processes * 15) / 16 ? full + 1 : 0
    if (memoryBytes > limits.memoryBytes) crossed(tooMuchMemory(limits), 'memory')
    else if (full >= 4) crossed(`it ran ${limits.processes} processes at once, the limit`, 'processes')
    else if (scratchEntries(last) >= limits.scratchEntries)
      crossed(`it made more than ${limits.scratchEntries} files in /tmp or /dev/shm`, 'tmp_files')
  }, every)
  timer.unref()
  return () => clearInterval(timer)
}
