import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { lstat, readdir, readFile, readlink, realpath, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import type Docker from 'dockerode'
import { YoeError } from '../errors.ts'
import { replaceFile } from '../store/replace-file.ts'
import { isHostEntry } from './root.ts'

/** Marks what is ours among a daemon's images and containers. */
export const label = 'io.yoe'

const repository = 'yoe-root'

/** Roots as images of a daemon: imported once, used by digest, so that a name that moved changes nothing. */
export class RootImages {
  readonly #docker: Docker
  readonly #records: string
  readonly #known = new Map<string, Promise<string>>()

  /** @param records folder for notes of which image a root became */
  constructor(docker: Docker, records: string) {
    this.#docker = docker
    this.#records = records
  }

  /** The image of a root folder, imported where the daemon does not have it. @returns its id, `sha256:…` */
  async idOf(root: string): Promise<string> {
    const name = await nameOf(root)
    return this.#once(name, () => tarOf(root))
  }

  /** An image for runs in the host's own root: only the links of `/`, all else is shown to it. */
  async hostId(): Promise<string> {
    const links = await hostLinks()
    const text = links.map(([name, target]) => `${name} ${target}\n`).join('')
    return this.#once(`host-${hashOf(text)}`, async () => {
      const { pack } = await import('tar-stream')
      const tar = pack()
      for (const [name, linkname] of links) tar.entry({ name, type: 'symlink', linkname })
      tar.entry({ name: 'tmp', type: 'directory', mode: 0o1777 })
      tar.finalize()
      return { stream: Readable.from(tar), done: Promise.resolve() }
    })
  }

  #once(name: string, open: () => Promise<Archive>): Promise<string> {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const found = this.#find(name, open)
    this.#known.set(name, found)
    found.catch(() => this.#known.delete(name))
    return found
  }

  async #find(name: string, open: () => Promise<Archive>): Promise<string> {
    const record = join(this.#records, name)
    const id = (await readFile(record, 'utf8').catch(() => '')).trim()
    if (/^sha256:[0-9a-f]{64}$/.test(id) && (await this.#has(id))) return id
    const imported = await this.#import(name, await open())
    await replaceFile(record, `${imported}\n`)
    return imported
  }

  async #has(id: string): Promise<boolean> {
    try {
      await this.#docker.getImage(id).inspect()
      return true
    } catch (failure) {
      if (statusOf(failure) === 404) return false
      throw failure
    }
  }

  async #import(name: string, { stream, done }: Archive): Promise<string> {
    const answer = await this.#docker.importImage(stream, {
      repo: repository,
      tag: name,
      changes: [`LABEL ${label}=root`],
    })
    let said = ''
    for await (const chunk of answer) said += chunk.toString()
    await done
    const id = /"status":"(sha256:[0-9a-f]{64})"/.exec(said)?.[1]
    if (id !== undefined) return id
    const reason = /"error":"((?:[^"\\]|\\.)*)"/.exec(said)?.[1] ?? said.trim()
    throw new YoeError('SANDBOX_UNAVAILABLE', `Docker did not take a root file system: ${reason}`, {
      hint: 'docker system df shows what fills its disk',
    })
  }
}

/** Removes the images that `records` are about, as far as the daemon still has them; roots needed again are imported again. */
export async function removeImages(docker: Docker, records: string): Promise<void> {
  for (const name of await readdir(records)) {
    const id = (await readFile(join(records, name), 'utf8')).trim()
    try {
      await docker.getImage(id).remove({ force: true })
    } catch (failure) {
      if (statusOf(failure) !== 404 && statusOf(failure) !== 409) throw failure
    }
  }
}

/** HTTP status of a daemon's refusal. */
export function statusOf(failure: unknown): number | undefined {
  return failure instanceof Error && 'statusCode' in failure && typeof failure.statusCode === 'number'
    ? failure.statusCode
    : undefined
}

/** A tar as it comes; `done` rejects when it is not whole. */
interface Archive {
  readonly stream: Readable
  readonly done: Promise<void>
}

async function tarOf(root: string): Promise<Archive> {
  const child = spawn('tar', ['-C', root, '--numeric-owner', '--sort=name', '-cf', '-', '.'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-1000)
  })
  const done = once(child, 'close').then(([code]) => {
    if (code !== 0) throw new Error(`tar of ${root} failed: ${said.trim()}`)
  })
  done.catch(() => {})
  return { stream: child.stdout, done }
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** A root of the store is called by its key; another folder by where it is and when it was made. */
async function nameOf(root: string): Promise<string> {
  const name = basename(root)
  if (/^[0-9a-f]{64}$/.test(name)) return name
  const real = await realpath(root)
  const { ino, ctimeMs } = await stat(real)
  return hashOf(`${real}\n${ino}\n${ctimeMs}`)
}

/** Entries of the host's `/` that runs in it see: links by name and target. */
async function hostLinks(): Promise<readonly (readonly [string, string])[]> {
  const links: (readonly [string, string])[] = []
  for (const name of (await readdir('/')).toSorted())
    if (isHostEntry(`/${name}`) && (await lstat(`/${name}`)).isSymbolicLink())
      links.push([name, await readlink(`/${name}`)])
  return links
}

/** … and folders. */
export async function hostFolders(): Promise<readonly string[]> {
  const folders: string[] = []
  for (const name of (await readdir('/')).toSorted())
    if (isHostEntry(`/${name}`) && (await lstat(`/${name}`)).isDirectory()) folders.push(`/${name}`)
  return folders
}
