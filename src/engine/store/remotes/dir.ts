import { createHash } from 'node:crypto'
import { chmod, link, mkdir, open, opendir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { YoeError } from '../../errors.ts'
import { inParallel } from '../../in-parallel.ts'
import { errorCode, makeFolder } from '../disk.ts'
import { lockFile } from '../lock.ts'
import type { Documents, RemoteEntry, RemoteStore, Sending } from '../remote.ts'
import { syncFolder } from '../sync-folder.ts'
import { collectLitter, tempName } from '../temp.ts'
import { checkName } from './names.ts'

const lookUpsAtOnce = 16

/** A folder that several machines see (NFS, a mounted bucket, a disk between runs) as a shared store. */
export class DirectoryStore implements RemoteStore {
  readonly documents: Documents = {
    create: (name, text) => this.#told(`write ${name}`, () => this.#create(this.#path(name), text)),
    versions: (folder) =>
      this.#told('be listed', async () => {
        const names = (await namesBelow(this.#root, folder.replace(/\/$/, ''))).filter((name) =>
          name.startsWith(folder),
        )
        const read = await inParallel(lookUpsAtOnce, names, async (name) => {
          const document = await readDocument(this.#path(name))
          return document === undefined ? [] : [[name, document.version] as const]
        })
        return new Map(read.flat())
      }),
    read: (name) => this.#told(`read ${name}`, () => readDocument(this.#path(name))),
    replace: (name, version, text) =>
      this.#told(`write ${name}`, () =>
        this.#alone(name, version, (path) => this.#placed(text, (temp) => rename(temp, path), versionOf(text))),
      ),
    remove: async (name, version) => {
      await this.#told(`delete ${name}`, () => this.#alone(name, version, (path) => rm(path, { force: true })))
    },
  }
  readonly #root: string
  #swept = false

  /** @param root absolute; made by the first entry that is put */
  constructor(root: string) {
    this.#root = root
  }

  #path(name: string): string {
    return join(this.#root, checkName(name))
  }

  async get<T>(name: string, read: (path: string) => Promise<T>): Promise<T | undefined> {
    const path = this.#path(name)
    const found = await this.#told(`read ${name}`, () => existing(path))
    if (!found) return undefined
    try {
      return await read(path)
    } catch (failure) {
      // Somebody else cleared it away in the meantime.
      if (errorCode(failure) === 'ENOENT' && !(await existing(path))) return undefined
      throw failure
    }
  }

  async put(
    name: string,
    fill: (path: string) => Promise<void>,
    { replace = false }: Sending = {},
  ): Promise<'saved' | 'exists' | 'read-only'> {
    const path = this.#path(name)
    const temp = this.#temp()
    try {
      const exists = await this.#told(`write ${name}`, async () => {
        await this.#prepare(path)
        return !replace && (await existing(path))
      })
      if (exists) return 'exists'
      await fill(temp)
      await this.#told(`write ${name}`, async () => {
        const file = await open(temp, 'r')
        await file.datasync().finally(() => file.close())
        await rename(temp, path)
        await syncFolder(dirname(path))
      })
      return 'saved'
    } finally {
      await rm(temp, { force: true }).catch(() => {})
    }
  }

  async has(names: readonly string[]): Promise<ReadonlySet<string>> {
    const found = await this.#told('be asked', () =>
      inParallel(lookUpsAtOnce, names, async (name) => ((await existing(this.#path(name))) ? [name] : [])),
    )
    return new Set(found.flat())
  }

  async *list(prefix: string): AsyncGenerator<string> {
    const folder = prefix.slice(0, Math.max(0, prefix.lastIndexOf('/')))
    for (const name of await this.#told('be listed', () => namesBelow(this.#root, folder)))
      if (name.startsWith(prefix)) yield name
  }

  async *inventory(prefix: string): AsyncGenerator<RemoteEntry> {
    for await (const name of this.list(prefix)) {
      const info = await this.#told('be listed', () => stat(this.#path(name)).catch(onlyMissing))
      if (info !== undefined) yield { name, size: info.size, sentAt: info.mtimeMs }
    }
  }

  async delete(name: string): Promise<void> {
    await this.#told(`delete ${name}`, () => rm(this.#path(name), { force: true }))
  }

  toString(): string {
    return this.#root
  }

  #temp(): string {
    return join(this.#root, '.incoming', tempName())
  }

  /** Makes the folders that an entry needs, and clears away what dead processes left unfinished. */
  async #prepare(path: string): Promise<void> {
    const incoming = join(this.#root, '.incoming')
    await makeFolder(this.#root)
    await this.#makeFolder(dirname(path))
    await this.#makeFolder(incoming)
    if (!this.#swept) await collectLitter(incoming)
    this.#swept = true
  }

  /** As open to others as the whole is: where a group may write, every machine's user can go on in it. */
  async #makeFolder(path: string): Promise<void> {
    if (path === this.#root) return
    await this.#makeFolder(dirname(path))
    try {
      await mkdir(path)
    } catch (failure) {
      if (errorCode(failure) === 'EEXIST') return
      throw failure
    }
    await chmod(path, (await stat(this.#root)).mode & 0o7777)
  }

  /** A link is made for one of several machines, on network file systems, too. */
  async #create(path: string, text: string): Promise<string | undefined> {
    await this.#prepare(path)
    try {
      return await this.#placed(text, (temp) => link(temp, path), versionOf(text))
    } catch (failure) {
      if (errorCode(failure) === 'EEXIST') return undefined
      throw failure
    }
  }

  async #placed<T>(text: string, place: (temp: string) => Promise<void>, result: T): Promise<T> {
    const temp = this.#temp()
    try {
      const file = await open(temp, 'wx', 0o644)
      try {
        await file.writeFile(text)
        await file.datasync()
      } finally {
        await file.close()
      }
      await place(temp)
      return result
    } finally {
      await rm(temp, { force: true })
    }
  }

  /** Does `work` with a document while nobody else changes it; undefined when it is another version by now. */
  async #alone<T>(name: string, version: string, work: (path: string) => Promise<T>): Promise<T | undefined> {
    const path = this.#path(name)
    const locks = join(this.#root, '.locks')
    await this.#prepare(path)
    await this.#makeFolder(locks)
    await using _lock = await lockFile(join(locks, versionOf(name)))
    return (await readDocument(path))?.version === version ? await work(path) : undefined
  }

  async #told<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      if (cause instanceof TypeError) throw cause
      throw new YoeError('FETCH_FAILED', `the shared cache ${this.#root} could not ${what} (${errorCode(cause)})`, {
        cause,
      })
    }
  }
}

async function existing(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (failure) {
    if (errorCode(failure) === 'ENOENT') return false
    throw failure
  }
}

function onlyMissing(failure: unknown): undefined {
  if (errorCode(failure) !== 'ENOENT') throw failure
}

/** Equal texts are one version: whoever must tell its own from another's names itself in it. */
function versionOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

async function readDocument(path: string): Promise<{ readonly text: string; readonly version: string } | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    return { text, version: versionOf(text) }
  } catch (failure) {
    if (errorCode(failure) === 'ENOENT') return undefined
    throw failure
  }
}

/** Of a folder that is not there, none. */
async function namesBelow(root: string, below: string): Promise<string[]> {
  const found: string[] = []
  try {
    for await (const entry of await opendir(join(root, below))) {
      const name = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.name.startsWith('.')) continue
      if (entry.isDirectory()) found.push(...(await namesBelow(root, name)))
      else found.push(name)
    }
  } catch (failure) {
    if (errorCode(failure) !== 'ENOENT') throw failure
  }
  return found
}
