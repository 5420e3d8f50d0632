import { lstat, open, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { YoeError } from '../errors.ts'
import { type Reporter, silent } from '../events.ts'
import { errorCode, makeFolder, writeFailure } from './disk.ts'
import { type Lock, type LockOptions, lockFile } from './lock.ts'
import { decodeManifest, encodeManifest, isDigest, type Scope, type SealedManifest } from './manifest.ts'
import { Objects } from './objects.ts'
import { syncFolder } from './sync-folder.ts'
import { collectLitter, processName, tempName } from './temp.ts'
import { noteUse } from './use.ts'

export interface StoreOptions {
  readonly report?: Reporter
  /** What this run's results are worth to others (default `trusted`); an untrusted run reads both kinds, a trusted one only its own. */
  readonly scope?: Scope
  /** Ids of keys whose signature makes a result worthless: somebody else may have had them. */
  readonly revoked?: ReadonlySet<string>
}

/** A manifest of the store, as it lies there. */
export interface StoreEntry {
  readonly arch: string
  readonly hash: string
  readonly path: string
  /** Milliseconds since 1970; see {@link noteUse}. */
  readonly usedAt: number
  /** A text says what is wrong with it. */
  readonly sealed: SealedManifest | string
}

/** `$YOE_CACHE`: objects by digest, and the manifests of built units. Everything in it was made or verified by this user. */
export class Store {
  /** Absolute, links resolved. */
  readonly root: string
  readonly scope: Scope
  readonly objects: Objects
  readonly #report: Reporter
  readonly #revoked: ReadonlySet<string>
  readonly #told = new Set<string>()
  #hold: Promise<Lock> | undefined

  private constructor(root: string, options: StoreOptions) {
    this.root = root
    this.scope = options.scope ?? 'trusted'
    this.#report = options.report ?? silent
    this.#revoked = options.revoked ?? new Set()
    this.objects = new Objects(root, this.#report)
  }

  /**
   * Opens the cache, made where it is missing, and clears away what dead processes left unfinished in it.
   *
   * @param root absolute; a link is followed once, here
   * @throws {YoeError} PERMISSION when others could have written to it, or this user can't
   */
  static async open(root: string, options: StoreOptions = {}): Promise<Store> {
    if (!isAbsolute(root))
      throw new YoeError('USAGE', `the cache folder "${root}" is not absolute`, { hint: 'set YOE_CACHE=/some/folder' })
    try {
      await makeFolder(root)
      const real = await realpath(root)
      await requireOwn(real)
      for (const folder of ['objects', 'units', 'tmp', 'locks']) {
        await makeFolder(join(real, folder))
        await requireOwn(join(real, folder))
      }
      await collectLitter(join(real, 'tmp'))
      // Known from here on: what keeps it from being read is told like any other trouble with files.
      processName()
      return new Store(real, options)
    } catch (failure) {
      throw await writeFailure(failure, root)
    }
  }

  /** A path for something unfinished; what is left there is removed once this process is gone. */
  temp(): string {
    return join(this.root, 'tmp', tempName())
  }

  #manifestPath(arch: string, hash: string): string {
    if (!/^[A-Za-z0-9_]+$/.test(arch) || !isDigest(hash)) throw new TypeError(`no unit has the key ${arch}/${hash}`)
    return join(this.root, 'units', arch, `${hash}.json`)
  }

  /**
   * What a unit's build came to; undefined when this store does not know, or not in a way that this run may use.
   * Says nothing about the objects: {@link Objects.path} does.
   */
  async manifest(arch: string, hash: string): Promise<SealedManifest | undefined> {
    const path = this.#manifestPath(arch, hash)
    let bytes: Uint8Array
    try {
      bytes = await readFile(path)
    } catch (failure) {
      if (['ENOENT', 'ENOTDIR'].includes(errorCode(failure))) return undefined
      throw await writeFailure(failure, path)
    }
    const sealed = decodeManifest(bytes, arch, hash)
    if (typeof sealed === 'string') {
      this.#report({ type: 'warning', message: `${path} is set aside: ${sealed}` })
      await makeFolder(join(this.root, 'damaged')).catch(() => {})
      await rename(path, join(this.root, 'damaged', tempName())).catch(() => {})
      return undefined
    }
    if (this.scope === 'trusted' && sealed.scope === 'untrusted') return undefined
    return this.#isRevoked(sealed) ? undefined : sealed
  }

  #isRevoked({ signature }: SealedManifest): boolean {
    if (signature === undefined || !this.#revoked.has(signature.key)) return false
    if (!this.#told.has(signature.key)) {
      this.#told.add(signature.key)
      this.#report({
        type: 'warning',
        message: `results in ${this.root} are not used: key ${signature.key} signed them, which is revoked`,
        hint: 'what is missing is built',
      })
    }
    return true
  }

  /** Records a unit's result, whose objects are all here: from now on, and after a power cut, it counts as built. */
  async record(sealed: SealedManifest): Promise<void> {
    const path = this.#manifestPath(sealed.manifest.arch, sealed.manifest.hash)
    const temp = this.temp()
    const bytes = encodeManifest(sealed)
    await this.hold()
    try {
      await this.objects.flush()
      await makeFolder(dirname(path))
      const file = await open(temp, 'wx', 0o644)
      try {
        await file.writeFile(bytes)
        await file.datasync()
      } finally {
        await file.close()
      }
      await rename(temp, path)
      await syncFolder(dirname(path))
    } catch (failure) {
      throw await writeFailure(failure, path, bytes.length)
    } finally {
      await rm(temp, { force: true })
    }
  }

  /** Notes that a result is used; see {@link noteUse}. */
  used(arch: string, hash: string): void {
    noteUse(this.#manifestPath(arch, hash))
  }

  async forget(arch: string, hash: string): Promise<void> {
    await rm(this.#manifestPath(arch, hash), { force: true })
  }

  /** Every manifest that is here, whatever its scope, and what is wrong with those that are damaged. */
  async *entries(): AsyncGenerator<StoreEntry> {
    for (const arch of await readdir(join(this.root, 'units'))) {
      for (const name of await readdir(join(this.root, 'units', arch)).catch(() => [])) {
        const path = join(this.root, 'units', arch, name)
        const hash = name.replace(/\.json$/, '')
        const [bytes, info] = await Promise.all([readFile(path), stat(path)]).catch(() => [])
        // It was removed a moment ago.
        if (bytes === undefined || info === undefined) continue
        yield { arch, hash, path, usedAt: info.mtimeMs, sealed: decodeManifest(bytes, arch, hash) }
      }
    }
  }

  /**
   * One holder at a time, among all processes that share this cache: so a unit that two want is built once.
   *
   * @param name letters, digits, `.`, `_` and `-`
   * @param options `title`: what it is called towards people who wait for it; default: its name
   */
  lock(name: string, options: LockOptions & { readonly title?: string } = {}): Promise<Lock> {
    if (!/^[\w.-]{1,200}$/.test(name)) throw new TypeError(`no lock is called ${name}`)
    return lockFile(join(this.root, 'locks', name), {
      waiting: (holder) =>
        this.#report({ type: 'notice', message: `waiting for ${options.title ?? name}: ${holder} has it` }),
      ...options,
    })
  }

  /** Keeps {@link alone} of every process away from here until this process ends. A run that uses objects calls it first. */
  async hold(): Promise<void> {
    this.#hold ??= this.lock('in-use', { shared: true })
    await this.#hold
  }

  /** Lets {@link alone} in. */
  async release(): Promise<void> {
    const hold = await this.#hold
    this.#hold = undefined
    await hold?.release()
  }

  /**
   * Waits until no process uses the cache ({@link hold}), and keeps all others from it: for who clears away.
   * @throws {YoeError} CANCELLED
   */
  async alone(signal?: AbortSignal): Promise<Lock> {
    await this.release()
    const lock = await this.lock('in-use', { signal, title: 'builds that use the cache' })
    // Whoever was waited for has left what its end leaves.
    await collectLitter(join(this.root, 'tmp'))
    return lock
  }
}

/** A cache that somebody else can write to could hold anything. */
async function requireOwn(folder: string): Promise<void> {
  const info = await lstat(folder)
  const me = process.geteuid?.()
  const refuse = (reason: string): never => {
    throw new YoeError('PERMISSION', `the cache ${folder} is not used: ${reason}`, {
      hint: 'name a folder of your own: YOE_CACHE=/some/folder',
    })
  }
  if (!info.isDirectory()) refuse('it is no folder')
  if (me !== undefined && info.uid !== me) refuse(`it belongs to user ${info.uid}, not to ${me}`)
  if ((info.mode & 0o002) !== 0) refuse(`everybody may write to it (mode ${(info.mode & 0o7777).toString(8)})`)
}
