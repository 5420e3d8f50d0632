import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

/** How long the temporary files of a process that can't be looked up (another machine's or container's) are kept. */
const foreignAge = 7 * 24 * 3600 * 1000

let mine: string | undefined

/**
 * A fresh name for something unfinished that tells which process makes it, so that what a dead one left can be told
 * from work in progress: pid namespace and boot, pid, and the process's start time, since pids come again.
 */
export function tempName(): string {
  return `${processName()}-${randomBytes(8).toString('hex')}`
}

/** Names this process, so that {@link isAlive} can tell whether it is still there. */
export function processName(): string {
  mine ??= `${place()}-${process.pid}-${startTime(process.pid) ?? '0'}`
  return mine
}

/** Whether the process of a {@link processName} is still there; one of another machine or container may be. */
export function isAlive(name: string): boolean {
  const [, where, pid, start] = /^([0-9a-f:]+)-(\d+)-(\d+)$/.exec(name) ?? []
  if (where === undefined) return false
  return where !== place() || start === '0' || startTime(Number(pid)) === start
}

/** Removes what dead processes left in `folder`; entries that are not named by {@link tempName} stay. */
export async function collectLitter(folder: string): Promise<void> {
  for (const name of readdirSync(folder)) {
    if (isLitter(folder, name)) await rm(join(folder, name), { recursive: true, force: true })
  }
}

function isLitter(folder: string, name: string): boolean {
  const [, where, pid, start] = /^([0-9a-f:]+)-(\d+)-(\d+)-[0-9a-f]{16}$/.exec(name) ?? []
  if (where === undefined) return false
  if (where === place() && start !== '0') return startTime(Number(pid)) !== start
  const age = Date.now() - (statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
  return age > foreignAge
}

let known: string | undefined

/** Where pids mean something: the boot, shortened, and the pid namespace's number. */
function place(): string {
  known ??= `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8)}:${/\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0'}`
  return known
}

/** Clock ticks since boot at which the process started; undefined when there is none. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The command's name, in parentheses, may hold anything; start time is the 22nd field, the 20th after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}
