import { open, opendir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { YoeError } from '../errors.ts'
import { errorCode, makeFolder } from './disk.ts'
import { sync } from './objects.ts'
import type { RemoteStore } from './remote.ts'
import { collectLitter, tempName } from './temp.ts'

/** A folder that several machines see (NFS, a mounted bucket, a disk between runs) as a shared store. */
export class DirectoryStore implements RemoteStore {
  readonly #root: string
  #swept = false

  /** @param root absolute; made by the first entry that is put */
  constructor(root: string) {
    this.#root = root
  }

  #path(name: string): string {
    if (!/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(name)) throw new TypeError(`no entry is called ${name}`)
    return join(this.#root, name)
  }

  async get<T>(name: string, read: (path: string) => Promise<T>): Promise<T | undefined> {
    const path = this.#path(name)
    const found = await this.#told(`read ${name}`, () => existing(path))
    return found ? read(path) : undefined
  }

  async put(name: string, fill: (path: string) => Promise<void>): Promise<'saved' | 'exists' | 'read-only'> {
    const path = this.#path(name)
    const incoming = join(this.#root, '.incoming')
    const temp = join(incoming, tempName())
    try {
      const exists = await this.#told(`write ${name}`, async () => {
        await makeFolder(dirname(path))
        await makeFolder(incoming)
        if (!this.#swept) await collectLitter(incoming)
        this.#swept = true
        return existing(path)
      })
      if (exists) return 'exists'
      await fill(temp)
      await this.#told(`write ${name}`, async () => {
        const file = await open(temp, 'r')
        await file.datasync().finally(() => file.close())
        await rename(temp, path)
        await sync(dirname(path))
      })
      return 'saved'
    } finally {
      await rm(temp, { force: true }).catch(() => {})
    }
  }

  async *list(prefix: string): AsyncGenerator<string> {
    for (const name of await this.#told('be listed', () => names(this.#root, '')))
      if (name.startsWith(prefix)) yield name
  }

  async delete(name: string): Promise<void> {
    await this.#told(`delete ${name}`, () => rm(this.#path(name), { force: true }))
  }

  toString(): string {
    return this.#root
  }

  async #told<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
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

async function names(root: string, below: string): Promise<string[]> {
  const found: string[] = []
  for await (const entry of await opendir(join(root, below))) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.name.startsWith('.')) continue
    if (entry.isDirectory()) found.push(...(await names(root, name)))
    else found.push(name)
  }
  return found
}
