import { readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { Limits } from './worker.ts'

/** What the kernel holds a run by, all its processes together. */
export interface ControlGroup {
  /** How many of its processes the kernel has ended for want of memory; 0 when that can't be told. */
  oomKills(): number
  /** To be called when its last process is gone. */
  remove(): void
}

/** Where a process is in the hierarchy that has a controller. */
export interface Place {
  readonly version: 1 | 2
  readonly folder: string
}

/**
 * Folders of the control groups that a process is in.
 *
 * @param cgroup /proc/PID/cgroup: `number:controllers:path` lines, version 2 with no controllers
 * @param mountinfo /proc/self/mountinfo
 * @see cgroups(7), proc(5)
 */
export function placesOf(cgroup: string, mountinfo: string): ReadonlyMap<'memory' | 'pids', Place> {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    const [, , , root, folder] = before.split(' ')
    const [type, , options = ''] = after.split(' ')
    if (root === undefined || folder === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return []
    return [{ type, root, folder, options: options.split(',') }]
  })
  const places = new Map<'memory' | 'pids', Place>()
  for (const line of cgroup.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) continue
    for (const name of ['memory', 'pids'] as const) {
      const first = controllers.split(',').includes(name)
      if (!first && (controllers !== '' || places.has(name))) continue
      const mount = mounts.find(({ type, options }) => (first ? options.includes(name) : type === 'cgroup2'))
      if (mount === undefined) continue
      const below = relative(mount.root, path)
      if (!below.startsWith('..')) places.set(name, { version: first ? 1 : 2, folder: join(mount.folder, below) })
    }
  }
  return places
}

const sequence = { next: 0 }

/**
 * Puts a process, before it starts others, into control groups of its own with the limits of a run, as far as this
 * process may make any: as root, or where systemd gave it a part of the tree. What can't be made is left to `watch`.
 */
export async function holdInGroups(pid: number, limits: Limits): Promise<ControlGroup> {
  const places = await placesOfProcess('self')
  const name = `yoe-${process.pid}-${sequence.next++}`
  const folders = new Set<string>()
  for (const [controller, { version, folder }] of places) {
    // In version 2 a group with processes can't have groups that are limited: ours goes beside the one we are in.
    const parent = version === 1 ? folder : dirname(folder)
    sweep(parent)
    const group = join(parent, name)
    try {
      if (version === 2) await requireController(parent, controller)
      await mkdir(group, { recursive: true })
      folders.add(group)
      for (const [file, value] of settings(version, controller, limits)) await writeFile(join(group, file), value)
      await writeFile(join(group, 'cgroup.procs'), String(pid))
    } catch {
      // Not ours to make: a plain user's, or a container's.
    }
  }
  const memory = places.get('memory')
  return groupAt(memory && join(memory.version === 1 ? memory.folder : dirname(memory.folder), name), folders)
}

/** Which of a run's sums the kernel holds here; the others are watched. */
export async function heldControllers(): Promise<readonly string[]> {
  const held: string[] = []
  for (const [controller, { version, folder }] of await placesOfProcess('self')) {
    const group = join(version === 1 ? folder : dirname(folder), `yoe-${process.pid}-${sequence.next++}`)
    try {
      if (version === 2) await requireController(dirname(group), controller)
      await mkdir(group)
      held.push(controller)
    } catch {
      // Not ours to make.
    } finally {
      removeQuietly(group)
    }
  }
  return held
}

/** The control group of somebody else's making that a process is in: a container's. */
export async function groupOf(pid: number): Promise<ControlGroup> {
  return groupAt((await placesOfProcess(pid)).get('memory')?.folder, new Set())
}

async function placesOfProcess(pid: number | 'self'): Promise<ReadonlyMap<'memory' | 'pids', Place>> {
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
  return placesOf(await read(`/proc/${pid}/cgroup`), await read('/proc/self/mountinfo'))
}

async function requireController(parent: string, controller: string): Promise<void> {
  const control = join(parent, 'cgroup.subtree_control')
  if ((await readFile(control, 'utf8')).split(/\s+/).includes(controller)) return
  await writeFile(control, `+${controller}`)
}

function settings(version: 1 | 2, controller: 'memory' | 'pids', limits: Limits): [file: string, value: string][] {
  // bubblewrap's own processes, too.
  if (controller === 'pids') return [['pids.max', String(limits.processes + 8)]]
  const bytes = String(limits.memoryBytes)
  return version === 1 ? [['memory.limit_in_bytes', bytes]] : [['memory.max', bytes]]
}

function groupAt(memory: string | undefined, folders: ReadonlySet<string>): ControlGroup {
  return {
    oomKills: () => {
      if (memory === undefined) return 0
      for (const file of ['memory.events', 'memory.oom_control']) {
        const found = /^oom_kill (\d+)$/m.exec(text(join(memory, file)))
        if (found) return Number(found[1])
      }
      return 0
    },
    remove: () => {
      for (const folder of folders) removeQuietly(folder)
    },
  }
}

/** Removes groups of processes that were killed before they could. */
function sweep(parent: string): void {
  for (const name of namesIn(parent)) {
    const pid = /^yoe-(\d+)-\d+$/.exec(name)?.[1]
    if (pid !== undefined && text(`/proc/${pid}/stat`) === '') removeQuietly(join(parent, name))
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // gone, or not ours to read
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function removeQuietly(group: string): void {
  try {
    rmdirSync(group)
  } catch {
    // Something in it has not ended; the next run sweeps it.
  }
}
