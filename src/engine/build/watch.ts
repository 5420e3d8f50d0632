import { readdirSync, readFileSync } from 'node:fs'
import type { Limits } from './worker.ts'

/** What a run's processes use together. */
export interface Usage {
  /** Threads count: they are what RLIMIT_NPROC counts. */
  readonly tasks: number
  readonly memoryBytes: number
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
export function usageOf(pid: number, enoughBytes: number): Usage {
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
  return { tasks, memoryBytes: memory * 1024 }
}

const every = 250 // ms

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
  crossed: (why: string) => void,
  used: (memoryBytes: number) => void = () => {},
): () => void {
  let full = 0
  const timer = setInterval(() => {
    const { tasks, memoryBytes } = usageOf(pid, limits.memoryBytes)
    used(memoryBytes)
    // The kernel refuses the next one at the limit; one who stays just below makes no progress.
    full = tasks >= (limits.processes * 15) / 16 ? full + 1 : 0
    if (memoryBytes > limits.memoryBytes) crossed(tooMuchMemory(limits))
    else if (full >= 4) crossed(`it ran ${limits.processes} processes at once, the limit`)
  }, every)
  timer.unref()
  return () => clearInterval(timer)
}
