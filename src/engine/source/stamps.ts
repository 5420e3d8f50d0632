import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync, readSync, renameSync, type Stats, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempName } from '../store/temp.ts'

/** SHA-256 by what stat said of a file when it was read, and its path: an accelerator that is never asked for the truth. */
export type Stamps = ReadonlyMap<string, string>

const digestLength = 64

/** A file that changes within this many milliseconds of being read could keep its times: clocks of file systems are coarse. */
const uncertainty = 2000

/** What changes whenever content does. */
export function stampOf({ mtimeMs, ctimeMs, size, ino, dev }: Stats): string {
  return `${mtimeMs} ${ctimeMs} ${size} ${ino} ${dev}`
}

function stampsPath(cacheRoot: string, tree: string): string {
  return join(cacheRoot, 'trees', createHash('sha256').update(tree).digest('hex').slice(0, 40))
}

/** Tells damage and other versions. */
function headOf(body: string): string {
  return `yoe-stamps/1 ${createHash('sha256').update(body).digest('hex')}`
}

/** What is remembered of a tree; nothing when it is unreadable, damaged or from another version. */
export function loadStamps(cacheRoot: string, tree: string): Stamps {
  let text: string
  try {
    text = readFileSync(stampsPath(cacheRoot, tree), 'utf8')
  } catch {
    return new Map()
  }
  const end = text.indexOf('\0')
  const body = text.slice(end + 1)
  if (end === -1 || text.slice(0, end) !== headOf(body)) return new Map()
  return new Map(body.split('\0').map((entry) => [entry.slice(digestLength + 1), entry.slice(0, digestLength)]))
}

/** Remembers what may be relied upon later; that it can't is no failure. */
export function saveStamps(cacheRoot: string, tree: string, stamps: Stamps): void {
  const settled = Date.now() - uncertainty
  const kept = [...stamps].filter(([stamp]) => Math.max(...stamp.split(' ', 2).map(Number)) < settled)
  const body = kept.map(([stamp, digest]) => `${digest} ${stamp}`).join('\0')
  try {
    for (const folder of ['trees', 'tmp']) mkdirSync(join(cacheRoot, folder), { recursive: true, mode: 0o755 })
    const temp = join(cacheRoot, 'tmp', tempName())
    writeFileSync(temp, `${headOf(body)}\0${body}`)
    renameSync(temp, stampsPath(cacheRoot, tree))
  } catch {
    // The next run reads the files again.
  }
}

const block = Buffer.allocUnsafeSlow(2 ** 20)

/** SHA-256 (lowercase hex) of a file. */
export function hashFileSync(path: string): string {
  const sum = createHash('sha256')
  const fd = openSync(path, 'r')
  try {
    for (let got = readSync(fd, block); got > 0; got = readSync(fd, block)) sum.update(block.subarray(0, got))
  } finally {
    closeSync(fd)
  }
  return sum.digest('hex')
}
