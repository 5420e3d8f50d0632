import { constants } from 'node:fs'
import { chmod, link, mkdir, open, realpath, rename, rm } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { errorCode, writeFailure } from '#engine/store/disk.ts'
import { tempName } from '#engine/store/temp.ts'
import { syncFolder } from '../publish/atomic.ts'

/** Keys are a few kilobytes; whatever is larger is no key. */
const largest = 1 << 20

/**
 * Reads a private key's file, if only its owner can.
 *
 * @param path absolute
 * @param projectRoot absolute; a key in there would be committed, cached or seen by a build one day
 * @returns undefined when there is no such file
 * @throws {YoeError} KEY_INVALID with the command that mends it
 */
export async function readKeyFile(path: string, projectRoot: string): Promise<string | undefined> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (failure) {
    if (errorCode(failure) === 'ENOENT') return undefined
    throw new YoeError('KEY_INVALID', `the key ${path} can't be read (${errorCode(failure)})`, {
      hint: `ls -l ${path}`,
      cause: failure,
    })
  }
  try {
    const stat = await file.stat()
    if (!stat.isFile() || stat.size > largest) {
      throw new YoeError('KEY_INVALID', `${path} is no key file`, {
        hint: 'name a file that holds the key and nothing else',
      })
    }
    if ((stat.mode & 0o077) !== 0) {
      throw new YoeError('KEY_INVALID', `other users of this machine may read the key ${path}`, {
        hint: `chmod 600 ${path}`,
      })
    }
    await refuseInside(path, projectRoot)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/**
 * Keeps a new private key, readable by its owner only. Two processes that do so at once end up with one key.
 *
 * @returns the text that is in the file now: `text`, or what somebody else put there first
 * @throws {YoeError} KEY_INVALID for a place inside the project, PERMISSION, DISK_FULL
 */
export async function createKeyFile(path: string, text: string, projectRoot: string): Promise<string> {
  // Unlike a rename, a link never replaces a key that is there.
  const placed = await placeKey(path, text, projectRoot, link)
  if (placed) return text
  const existing = await readKeyFile(path, projectRoot)
  return existing ?? createKeyFile(path, text, projectRoot)
}

/**
 * Puts another private key in a key's place, at once: there is always one of the two.
 *
 * @throws {YoeError} as {@link createKeyFile}
 */
export async function replaceKeyFile(path: string, text: string, projectRoot: string): Promise<void> {
  await placeKey(path, text, projectRoot, rename)
}

/** @returns false when `place` found something there */
async function placeKey(
  path: string,
  text: string,
  projectRoot: string,
  place: (temp: string, path: string) => Promise<void>,
): Promise<boolean> {
  const folder = dirname(path)
  const temp = join(folder, tempName())
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await refuseInside(path, projectRoot)
    const file = await open(temp, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await chmod(temp, 0o600)
    await place(temp, path)
    await syncFolder(folder)
    return true
  } catch (failure) {
    if (errorCode(failure) === 'EEXIST') return false
    throw await writeFailure(failure, path)
  } finally {
    await rm(temp, { force: true })
  }
}

async function refuseInside(path: string, projectRoot: string): Promise<void> {
  const [folder, root] = await Promise.all([realpath(path).catch(() => realpath(dirname(path))), realpath(projectRoot)])
  if (folder !== root && !folder.startsWith(root + sep)) return
  throw new YoeError('KEY_INVALID', `the private key ${path} lies inside the project`, {
    hint: 'move it out (and make a new one if it was ever committed): keys live in ~/.config/yoe/keys',
  })
}
