import { stat } from 'node:fs/promises'
import { YoeError } from '../errors.ts'
import type { Reporter } from '../events.ts'
import { errorCode } from './disk.ts'
import { distrust, type SealedManifest, seal, type Trust, type UnitManifest } from './manifest.ts'
import { packUnit, unpackUnit } from './pack.ts'
import type { RemoteStore, Transfer } from './remote.ts'
import { RemoteCounts } from './remote-counts.ts'
import type { CacheSigner } from './signing.ts'
import type { Store } from './store.ts'
import { Transfers } from './transfers.ts'

export interface UnitCacheOptions {
  readonly store: Store
  /** Nearest first. */
  readonly remotes: readonly RemoteStore[]
  readonly trust: Trust
  /** Signs what is sent. What this run itself would not believe is not sent. */
  readonly signer?: CacheSigner | undefined
  readonly report: Reporter
  readonly signal?: AbortSignal | undefined
}

/** What took less time (ms) is made again without much harm, should a run that was killed not have sent it yet. */
const quickMs = 10_000

export interface RestoreOptions {
  readonly title?: string
  readonly fresh?: boolean
  readonly urgency?: number
}

/** What became of an entry that was to be sent. */
export interface Sent {
  /** `refused`: nobody would believe it. */
  readonly outcome: 'saved' | 'exists' | 'read-only' | 'refused' | 'failed' | 'down'
  readonly why?: string
  /** Bytes of the entry; 0 where it was there already. */
  readonly size?: number
}

export interface CachedUnit {
  readonly manifest: UnitManifest
  /** `local`, or the shared store that had it. */
  readonly from: string
}

/** Results of units: this machine's first, then those of shared stores, as far as they can be trusted. */
export class UnitCache {
  readonly #options: UnitCacheOptions
  readonly #transfers: Transfers
  readonly #down = new Set<RemoteStore>()
  /** Names of entries that are of no use, by store. */
  readonly #useless = new Map<RemoteStore, Set<string>>()
  readonly #told = new Set<string>()
  /** Names that a store was found not to have. */
  readonly #absent = new Map<RemoteStore, ReadonlySet<string>>()
  /** What became of it, for who asks afterwards; in the order of the shared stores. */
  readonly counts: readonly RemoteCounts[]

  constructor(options: UnitCacheOptions) {
    this.#options = options
    this.#transfers = new Transfers(options.report, options.signal)
    this.counts = options.remotes.map((remote) => new RemoteCounts(`${remote}`))
  }

  /**
   * Finds out, by the batch and without downloading anything, which of these the shared stores have: {@link restore} then
   * asks them for nothing else.
   *
   * @returns the hashes of those that none of them has
   */
  async lookUp(wanted: readonly { readonly arch: string; readonly hash: string }[]): Promise<ReadonlySet<string>> {
    const hashes = new Map(wanted.map(({ arch, hash }) => [entryName(arch, hash), hash]))
    let names = [...hashes.keys()]
    for (const remote of this.#options.remotes) {
      const asked = names
      const there = asked.length === 0 ? undefined : await this.#ask(remote, () => remote.has(asked))
      if (there === undefined) continue
      this.#absent.set(remote, new Set(asked.filter((name) => !there.has(name))))
      names = asked.filter((name) => !there.has(name))
    }
    return new Set(names.map((name) => hashes.get(name) ?? ''))
  }

  /**
   * A unit's result with every one of its objects verified and in the local store; undefined: it must be built. What a
   * shared store has but may not be believed is a warning and a miss; one that can't be asked is a warning, and is left
   * alone from then on.
   *
   * @param options.title what it is called while it travels
   * @param options.fresh another machine may have made it since {@link lookUp}
   * @param options.urgency of those that wait to travel, higher ones go first
   * @throws {YoeError} DISK_FULL, PERMISSION, CANCELLED
   */
  async restore(
    arch: string,
    hash: string,
    { title = hash.slice(0, 12), fresh = false, urgency = 0 }: RestoreOptions = {},
  ): Promise<CachedUnit | undefined> {
    const { store, remotes } = this.#options
    const local = await this.#local(arch, hash)
    if (local !== undefined) return { manifest: local.manifest, from: 'local' }
    const name = entryName(arch, hash)
    for (const [level, remote] of remotes.entries()) {
      const counts = this.counts[level]
      if (!fresh && this.#absent.get(remote)?.has(name) === true) {
        counts?.missed(name)
        continue
      }
      const trust = this.#trust(remote)
      const read = async (path: string): Promise<SealedManifest | string> => {
        const { size } = await stat(path)
        const taken = await unpackUnit(store, path, arch, hash, trust)
        if (typeof taken !== 'string') counts?.had(name, size)
        return taken
      }
      const what = `Restore ${title} from ${remote}`
      const result = await this.#move(remote, what, (transfer) => remote.get(name, read, transfer), urgency)
      if (typeof result !== 'object' && !fresh) counts?.missed(name)
      if (result === undefined) continue
      if (typeof result === 'string') {
        this.#setAside(remote, name, result)
        continue
      }
      const renewed = await this.#renew(remote, result)
      for (const nearer of remotes.slice(0, level)) await this.#send(nearer, renewed)
      return { manifest: result.manifest, from: `${remote}` }
    }
    return undefined
  }

  /** Told once for each reason: a key that is believed no more has signed them all. */
  #setAside(remote: RemoteStore, name: string, reason: string): void {
    const useless = this.#useless.get(remote) ?? new Set()
    this.#useless.set(remote, useless.add(name))
    const told = `${remote}: ${reason}`
    if (this.#told.has(told)) return
    this.#told.add(told)
    const message = `the entry ${name} of ${remote} is not used: ${reason}`
    this.#options.report({ type: 'warning', message, hint: 'what is missing is built; the same reason is told once' })
  }

  /** While a key is replaced by another, whoever has the new one signs what is used, so that nothing is built for it. */
  async #renew(remote: RemoteStore, sealed: SealedManifest): Promise<SealedManifest> {
    const { store, trust, signer } = this.#options
    const { manifest, scope, signature } = sealed
    if (signer === undefined || signature === undefined || signature.key === signer.keyId) return sealed
    if (trust.retiring?.has(signature.key) !== true) return sealed
    const renewed = seal(manifest, scope, signer)
    await store.record(renewed)
    await this.#send(remote, renewed, true)
    return renewed
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

  /** As {@link share}, to one of the shared stores; `down`: it could not be asked, which was told. */
  async send(remote: RemoteStore, sealed: SealedManifest): Promise<Sent> {
    const doubt = distrust(sealed, this.#trust(remote))
    if (doubt !== undefined) return { outcome: 'refused', why: doubt }
    return (await this.#send(remote, sealed)) ?? { outcome: 'down' }
  }

  async #send(
    remote: RemoteStore,
    sealed: SealedManifest,
    replace = this.#useless.get(remote)?.has(entryName(sealed.manifest.arch, sealed.manifest.hash)) === true,
  ): Promise<Sent | undefined> {
    const { store, remotes } = this.#options
    const { arch, hash } = sealed.manifest
    if (distrust(sealed, this.#trust(remote)) !== undefined) return undefined
    let size = 0
    const fill = async (path: string): Promise<void> => {
      await packUnit(store, sealed, path)
      size = (await stat(path)).size
    }
    try {
      const outcome = await this.#move(remote, `Send ${sealed.manifest.unit} to ${remote}`, (transfer) =>
        remote.put(entryName(arch, hash), fill, {
          ...transfer,
          replace: replace && sealed.signature !== undefined,
          quick: sealed.manifest.facts.ms < quickMs,
        }),
      )
      if (outcome === 'saved') this.counts[remotes.indexOf(remote)]?.took(size)
      return outcome === undefined ? undefined : { outcome, size }
    } catch (failure) {
      // Whatever it is, it loses this entry and not the build.
      if (!(failure instanceof YoeError)) throw failure
      this.#options.report({
        type: 'warning',
        message: `${sealed.manifest.unit} was not saved to ${remote}: ${failure.message}`,
      })
      return { outcome: 'failed', why: failure.message }
    }
  }

  /** Lets what waits be sent and what is held go. @param remotes some of those of this cache */
  async close(remotes: readonly RemoteStore[]): Promise<void> {
    for (const remote of remotes) await this.#ask(remote, async () => remote.close?.())
  }

  /** What is believed of a store's entries: unsigned ones where those who may not write can't. */
  #trust(remote: RemoteStore): Trust {
    const { trust } = this.#options
    return { ...trust, unsigned: trust.unsigned && remote.vouched === true }
  }

  #move<T>(
    remote: RemoteStore,
    title: string,
    work: (transfer: Transfer) => Promise<T>,
    urgency?: number,
  ): Promise<T | undefined> {
    // Whoever waits for its turn may find out meanwhile that there is nobody to ask.
    return this.#transfers.run(title, (transfer) => this.#ask(remote, () => work(transfer)), urgency)
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
        const mend = failure instanceof YoeError && failure.hint !== undefined ? `${failure.hint}; ` : ''
        const hint = `${mend}this run goes on without it`
        this.#options.report({ type: 'warning', message: `${remote}: ${reason}`, hint })
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
