import { YoeError } from '../errors.ts'
import type { Reporter } from '../events.ts'
import { errorCode } from './disk.ts'
import { type SealedManifest, seal, type Trust, type UnitManifest } from './manifest.ts'
import { packUnit, unpackUnit } from './pack.ts'
import type { RemoteStore } from './remote.ts'
import type { CacheSigner } from './signing.ts'
import type { Store } from './store.ts'

export interface UnitCacheOptions {
  readonly store: Store
  /** Nearest first. */
  readonly remotes: readonly RemoteStore[]
  readonly trust: Trust
  /** Signs what is sent; without it entries are sent unsigned, which only runs of the same untrusted scope take. */
  readonly signer?: CacheSigner | undefined
  readonly report: Reporter
}

export interface CachedUnit {
  readonly manifest: UnitManifest
  /** `local`, or the shared store that had it. */
  readonly from: string
}

/** Results of units: this machine's first, then those of shared stores, as far as they can be trusted. */
export class UnitCache {
  readonly #options: UnitCacheOptions
  readonly #down = new Set<RemoteStore>()

  constructor(options: UnitCacheOptions) {
    this.#options = options
  }

  /**
   * A unit's result with every one of its objects verified and in the local store; undefined: it must be built. What a
   * shared store has but may not be believed is a warning and a miss; one that can't be asked is a warning, and is left
   * alone from then on.
   *
   * @throws {YoeError} DISK_FULL, PERMISSION, CANCELLED
   */
  async restore(arch: string, hash: string): Promise<CachedUnit | undefined> {
    const { store, remotes, trust, report } = this.#options
    const local = await this.#local(arch, hash)
    if (local !== undefined) return { manifest: local.manifest, from: 'local' }
    const name = entryName(arch, hash)
    for (const [level, remote] of remotes.entries()) {
      const result = await this.#ask(remote, () =>
        remote.get(name, (path) => unpackUnit(store, path, arch, hash, trust)),
      )
      if (result === undefined) continue
      if (typeof result === 'string') {
        report({ type: 'warning', message: `the entry ${name} of ${remote} is not used: ${result}` })
        continue
      }
      for (const nearer of remotes.slice(0, level)) await this.#send(nearer, result)
      return { manifest: result.manifest, from: `${remote}` }
    }
    return undefined
  }

  async #local(arch: string, hash: string): Promise<SealedManifest | undefined> {
    const { store } = this.#options
    const sealed = await store.manifest(arch, hash)
    for (const { sha256 } of sealed?.manifest.files ?? []) {
      if ((await store.objects.path(sha256)) === undefined) return undefined
    }
    return sealed
  }

  /** Records a result whose objects are in the local store, there and in every shared store that can be written to. */
  async save(manifest: UnitManifest): Promise<void> {
    const { store, signer } = this.#options
    const sealed = seal(manifest, store.scope, signer)
    await store.record(sealed)
    await this.share(sealed)
  }

  /** Gives a result that the local store has to every shared store that can be written to. */
  async share(sealed: SealedManifest): Promise<void> {
    for (const remote of this.#options.remotes) await this.#send(remote, sealed)
  }

  async #send(remote: RemoteStore, sealed: SealedManifest): Promise<void> {
    const { arch, hash } = sealed.manifest
    try {
      await this.#ask(remote, () =>
        remote.put(entryName(arch, hash), (path) => packUnit(this.#options.store, sealed, path)),
      )
    } catch (failure) {
      // Whatever it is, it loses this entry and not the build.
      if (!(failure instanceof YoeError)) throw failure
      this.#options.report({
        type: 'warning',
        message: `${sealed.manifest.unit} was not saved to ${remote}: ${failure.message}`,
      })
    }
  }

  async #ask<T>(remote: RemoteStore, work: () => Promise<T>): Promise<T | undefined> {
    if (this.#down.has(remote)) return undefined
    try {
      return await work()
    } catch (failure) {
      const reason = faultOf(failure)
      if (reason === undefined) throw failure
      if (!this.#down.has(remote)) {
        this.#down.add(remote)
        this.#options.report({ type: 'warning', message: `${remote}: ${reason}`, hint: 'this run goes on without it' })
      }
      return undefined
    }
  }
}

/** What is wrong with the shared store, as opposed to with this machine or this program. */
function faultOf(failure: unknown): string | undefined {
  if (failure instanceof YoeError) return failure.code === 'FETCH_FAILED' ? failure.message : undefined
  // The store's own file could not be read or written: what is written here fails as a YoeError.
  return failure instanceof Error && errorCode(failure) !== '' ? failure.message : undefined
}

/** Where a shared store keeps a unit. */
export function entryName(arch: string, hash: string): string {
  return `units/${arch}/${hash}`
}
