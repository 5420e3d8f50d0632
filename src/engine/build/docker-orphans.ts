import { readFileSync, readlinkSync } from 'node:fs'
import type Docker from 'dockerode'
import { label, statusOf } from './docker-images.ts'

/** The label that says which process a container is for. */
export const ownerLabel = `${label}.owner`

/**
 * A process of this machine, also when its number is given to another later: namespace, number, start in clock ticks.
 * @returns undefined when it is gone
 */
function processIdentity(pid: number | 'self'): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field, the name, may hold anything but ends with the last parenthesis.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return `${readlinkSync('/proc/self/ns/pid')} ${stat.split(' ', 1)[0]} ${fields[19]}`
  } catch {
    return undefined
  }
}

/** What this process labels its containers with. */
export const thisOwner = (): string => processIdentity('self') ?? ''

/** Whether the process is known to be gone: one of another process namespace can't be seen from here, and is left alone. */
export function isGone(owner: string): boolean {
  const [namespace, pid] = owner.split(' ')
  if (namespace !== readlinkSync('/proc/self/ns/pid') || pid === undefined || !/^\d+$/.test(pid)) return false
  return processIdentity(Number(pid)) !== owner
}

/** Removes containers whose process was killed before it could do so. @returns how many */
export async function removeOrphans(docker: Docker): Promise<number> {
  const containers = await docker.listContainers({ all: true, filters: JSON.stringify({ label: [`${label}=run`] }) })
  const orphans = containers.filter(({ Labels }) => isGone(Labels[ownerLabel] ?? ''))
  for (const { Id } of orphans) await removeContainer(docker, Id)
  return orphans.length
}

/** Ends and removes a container; that it is gone already, or going, is fine. */
export async function removeContainer(docker: Docker, id: string): Promise<void> {
  try {
    await docker.getContainer(id).remove({ force: true, v: true })
  } catch (failure) {
    if (statusOf(failure) !== 404 && statusOf(failure) !== 409) throw failure
  }
}
