import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { userErrors, YoeError } from '#engine/errors.ts'
import type { Lock, LockEntry } from '#engine/modules/lock.ts'
import { emptyLock, entriesOf, formatLock, keyOf, lockFile, parseLock } from '#engine/modules/lock.ts'
import { errorCode, writeFailure } from '#engine/store/disk.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import type { Workspace } from './workspace.ts'

/** What a project's `yoe.lock` says, and what commands may do about it. */
export interface LockState {
  readonly lock: Lock
  /** What is not locked is an error. */
  readonly locked: boolean
  /** What is found out on the way is written down. */
  readonly writable: boolean
}

type Place = Pick<Workspace, 'root' | 'env' | 'locked'>

/**
 * Reads `yoe.lock`. Under CI what it lacks is an error where there is one, and it is never written on the way: a job
 * must not go on with what it wrote itself.
 *
 * @throws {YoeErrors} LOCK_INVALID at each line that is wrong
 * @throws {YoeError} LOCK_STALE when `--locked` was said and there is none
 */
export function readLock({ root, env, locked }: Place): LockState {
  const text = readText(join(root, lockFile))
  const ci = isSet(env['CI'])
  const asked = locked ?? (isGiven(env['YOE_LOCKED']) ? isSet(env['YOE_LOCKED']) : undefined)
  if (text === undefined && asked === true) {
    throw new YoeError('LOCK_STALE', 'there is no yoe.lock, and --locked takes nothing that is not in it', {
      hint: 'yoe update writes it; commit it then',
    })
  }
  const lock = text === undefined ? emptyLock : parseLock(text)
  const strict = asked ?? (ci && text !== undefined)
  return { lock, locked: strict, writable: !strict && !ci }
}

function isGiven(value: string | undefined): boolean {
  return value !== undefined && value !== ''
}

function isSet(value: string | undefined): boolean {
  return isGiven(value) && value !== '0' && value !== 'false'
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (failure) {
    const code = errorCode(failure)
    if (code === 'ENOENT') return undefined
    throw new YoeError('PERMISSION', `${lockFile} can't be read (${code})`, {
      hint: 'remove it, or make it a readable file',
      cause: failure,
    })
  }
}

/**
 * Changes `yoe.lock`, one process at a time, as a whole.
 * @param edit what is written instead of what stands there now
 * @param anew whether what can't be read counts as nothing
 * @throws {YoeError} PERMISSION, DISK_FULL
 */
export async function editLock(
  workspace: Pick<Workspace, 'root' | 'cacheRoot' | 'signal'>,
  edit: (lock: Lock) => readonly LockEntry[],
  anew = false,
): Promise<Lock> {
  const { root, cacheRoot, signal } = workspace
  const path = join(root, lockFile)
  const name = `lock-${createHash('sha256').update(root).digest('hex').slice(0, 40)}`
  const { lockFile: hold } = await import('#engine/store/lock.ts')
  try {
    await mkdir(join(cacheRoot, 'locks'), { recursive: true })
    await using _alone = await hold(join(cacheRoot, 'locks', name), { signal })
    const before = readText(path)
    const text = formatLock(edit(before === undefined ? emptyLock : parsed(before, anew)))
    if (text !== before) await replaceFile(path, text)
    return parseLock(text)
  } catch (failure) {
    throw await writeFailure(failure, path)
  }
}

function parsed(text: string, anew: boolean): Lock {
  try {
    return parseLock(text)
  } catch (failure) {
    if (anew && userErrors(failure) !== undefined) return emptyLock
    throw failure
  }
}

/** Adds what is missing; what is there stays as it is. */
export function addToLock(workspace: Workspace, entries: readonly LockEntry[]): Promise<Lock> {
  return editLock(workspace, (lock) => {
    const known = entriesOf(lock)
    const keys = new Set(known.map(keyOf))
    return [...known, ...entries.filter((entry) => !keys.has(keyOf(entry)))]
  })
}
