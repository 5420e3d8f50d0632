/** What a built image holds, looked at without booting it. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { scratch } from './project.ts'

export interface ImageRoot {
  /** Folder with all of it; everything belongs to the user, unless that is root. */
  readonly root: string
  /** Runs a command of debugfs on it: what it prints. */
  debugfs(command: string): string
}

/** Unpacks the first partition of a disk, ext4, until the test is over. */
export function imageRoot(t: TestContext, disk: string): ImageRoot {
  const work = scratch(t)
  const partition = join(work, 'partition')
  execFileSync('dd', [`if=${disk}`, `of=${partition}`, 'bs=1M', `skip=${startOf(disk)}`, 'conv=sparse', 'status=none'])
  const debugfs = (command: string): string =>
    execFileSync('debugfs', ['-R', command, partition], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const root = join(work, 'root')
  mkdirSync(root)
  debugfs(`rdump / ${root}`)
  return { root, debugfs }
}

/** Where the first partition of a disk begins, MiB. @see UEFI specification, GPT partition entry */
function startOf(disk: string): number {
  const table = Buffer.alloc(2048)
  const file = openSync(disk, 'r')
  readSync(file, table)
  closeSync(file)
  return Number(table.readBigUInt64LE(1024 + 32)) / 2048
}
