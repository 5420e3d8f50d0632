import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { access, constants, mkdtemp, statfs } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Worker } from '#engine/build/worker.ts'

/** What a second build of the same things does not share with the first. */
export interface Circumstances {
  /** Absolute; the caller removes it. */
  readonly buildRoot: string
  readonly processors: number
  /** For units of this machine's architecture. */
  readonly worker: Worker
  /** For people: what is different. */
  readonly varied: readonly string[]
  /** For people: what could not be made different here, and what to type. */
  readonly missing: readonly string[]
  /** Gives this process its processors back. */
  restore(): Promise<void>
}

const run = promisify(execFile)

const daysLater = 400

/** Where a build that is only compared may lie: memory lists folders in another order than disks do. */
const memory = '/dev/shm'
const roomWanted = 2 * 2 ** 30

/**
 * Everything that a sandbox does not hide of the machine around it, changed: the folder on the host and the order in which
 * its file system lists files, the number of processors, the time. Users, host names, time zones, locales and umasks are the
 * same in every sandbox, so there is nothing to vary for a task.
 *
 * @param usual folder for builds on disk, where memory has no room
 */
export async function otherCircumstances(worker: Worker, usual: string): Promise<Circumstances> {
  const varied = ['the folder']
  const missing: string[] = []
  const inMemory = await hasRoom(memory)
  const buildRoot = await mkdtemp(join(inMemory ? memory : usual, 'yoe-second-'))
  if (inMemory) varied.push('the order of files in folders')
  else missing.push(`the order of files in folders: ${memory} has less than ${roomWanted / 2 ** 30} GiB free`)

  const before = availableParallelism()
  const mask = before > 1 ? await allowedProcessors() : undefined
  if (mask !== undefined) {
    await allowProcessors(/^\d+/.exec(mask)?.[0] ?? '0')
    varied.push(`1 of ${before} processors`)
  } else missing.push('the number of processors: there is one')

  const clock = fakeClock()
  if (clock === undefined) missing.push('the time: sudo apt-get install libfaketime')
  else varied.push(`the time (${daysLater} days later)`)
  return {
    buildRoot,
    processors: 1,
    worker: clock === undefined ? worker : later(worker, clock),
    varied,
    missing,
    restore: async () => {
      if (mask !== undefined) await allowProcessors(mask)
    },
  }
}

async function hasRoom(folder: string): Promise<boolean> {
  try {
    await access(folder, constants.W_OK)
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize >= roomWanted
  } catch {
    return false
  }
}

/** `0-3,8`: what the processes started from here may run on; undefined without taskset(1). */
async function allowedProcessors(): Promise<string | undefined> {
  try {
    const { stdout } = await run('taskset', ['--cpu-list', '--pid', String(process.pid)])
    return /:\s*([\d,-]+)\s*$/.exec(stdout)?.[1]
  } catch {
    return undefined
  }
}

async function allowProcessors(list: string): Promise<void> {
  await run('taskset', ['--all-tasks', '--cpu-list', '--pid', list, String(process.pid)])
}

/** The library that tells programs another time, where this machine has it. @see faketime(1) */
const fakeClock = (): string | undefined => globSync('/usr/lib/{,*/}faketime/libfaketime.so.1')[0]

/** The same worker, whose tasks are told a time that has not come yet. Times of files stay what they are: make needs them. */
function later(worker: Worker, library: string): Worker {
  const inside = '/build/libfaketime.so.1'
  return {
    ...worker,
    run: (each) =>
      each.identity === 'install' || each.network
        ? worker.run(each)
        : worker.run({
            ...each,
            env: {
              ...each.env,
              LD_PRELOAD: inside,
              FAKETIME: `+${daysLater}d`,
              FAKETIME_DONT_FAKE_MONOTONIC: '1',
              NO_FAKE_STAT: '1',
            },
            mounts: [...each.mounts, { source: library, target: inside, writable: false }],
          }),
  }
}
