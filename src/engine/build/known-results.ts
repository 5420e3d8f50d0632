import { rm } from 'node:fs/promises'
import type { YoeError } from '../errors.ts'
import { canonical } from '../plan/canonical.ts'
import type { Node } from '../plan/graph.ts'
import { dependenciesOf, inOrder, manifestArch } from '../plan/graph.ts'
import type { RestoreOptions } from '../store/cache.ts'
import type { SealedManifest, UnitManifest } from '../store/manifest.ts'
import { replaceFile } from '../store/replace-file.ts'
import type { BuildContext } from './context.ts'
import { keyOf } from './context.ts'
import { foldersOf } from './folders.ts'

/** Caches that other machines fill; see store/cache.ts. */
export interface Remotes {
  /** Brings a unit's manifest and objects into the local store; undefined when no remote has it in a way that is trusted. */
  restore(
    arch: string,
    hash: string,
    options?: RestoreOptions,
  ): Promise<{ readonly manifest: UnitManifest; readonly from: string } | undefined>
  /**
   * Finds out by the batch which of these remotes have, so that `restore` asks for no others.
   * @returns the hashes of those that none has
   */
  lookUp(wanted: readonly { readonly arch: string; readonly hash: string }[]): Promise<ReadonlySet<string>>
  /** Gives a unit to the remotes that may be written; that one fails is a warning. */
  share(sealed: SealedManifest): Promise<void>
}

/** Results that are there already: in the local store, or in shared ones. */
export class KnownResults {
  readonly #context: BuildContext
  readonly #targets: ReadonlySet<Node>
  readonly #remotes: Remotes | undefined
  #lookedUp: Promise<void> | undefined
  readonly #paths: ReadonlyMap<Node, number>
  /** Of what is to be restored, for how long the targets take from where it is needed. */
  readonly #urgencies = new Map<Node, number>()

  /** @param paths expected milliseconds from a node's start to the end of the targets */
  constructor(
    context: BuildContext,
    targets: readonly Node[],
    paths: ReadonlyMap<Node, number>,
    remotes: Remotes | undefined,
  ) {
    this.#context = context
    this.#targets = new Set(targets)
    this.#paths = paths
    this.#remotes = remotes
  }

  async local(node: Node): Promise<UnitManifest | undefined> {
    const { store } = this.#context
    const sealed = await store.manifest(manifestArch(node), keyOf(this.#context, node).hash)
    if (sealed === undefined) return undefined
    const present = await Promise.all(sealed.manifest.files.map(({ sha256 }) => store.objects.has(sha256)))
    return present.every(Boolean) ? sealed.manifest : undefined
  }

  /** A shared store's result. Often a target is all there is to restore; what lies below one that isn't is looked up together. */
  async shared(node: Node): Promise<UnitManifest | undefined> {
    if (!this.#targets.has(node)) await this.#lookUp()
    return this.#restore(node, false)
  }

  /** As {@link shared}, of what another machine may have made since this run began: whoever asks has nothing else to do. */
  sharedByNow(node: Node): Promise<UnitManifest | undefined> {
    return this.#restore(node, true)
  }

  async #restore(node: Node, fresh: boolean): Promise<UnitManifest | undefined> {
    const urgency = fresh ? Number.POSITIVE_INFINITY : (this.#urgencies.get(node) ?? 0)
    const options = { title: node.unit.name, fresh, urgency }
    const restored = await this.#remotes?.restore(manifestArch(node), keyOf(this.#context, node).hash, options)
    if (restored !== undefined) await this.remember(node)
    return restored?.manifest
  }

  #lookUp(): Promise<void> | undefined {
    const remotes = this.#remotes
    if (remotes === undefined) return undefined
    const look = async (): Promise<void> => {
      const missing: Node[] = []
      for (const node of inOrder([...this.#targets]))
        if (!this.#targets.has(node) && (await this.local(node)) === undefined) missing.push(node)
      const hash = (node: Node): string => keyOf(this.#context, node).hash
      const nowhere = await remotes.lookUp(missing.map((node) => ({ arch: manifestArch(node), hash: hash(node) })))
      // What is built from it begins the sooner.
      for (const node of missing) if (nowhere.has(hash(node))) this.#hurry(node)
    }
    this.#lookedUp ??= look()
    return this.#lookedUp
  }

  #hurry(built: Node): void {
    const path = this.#paths.get(built) ?? 0
    for (const node of dependenciesOf(built)) this.#urgencies.set(node, Math.max(path, this.#urgencies.get(node) ?? 0))
  }

  /** What the next `why` compares with. */
  async remember(node: Node): Promise<void> {
    const { last, failed } = foldersOf(this.#context.buildRoot, node)
    await replaceFile(last, canonical(keyOf(this.#context, node).inputs), { hint: true })
    await rm(failed, { force: true })
  }

  /** For lists and descriptions; that it can't be written, on a full disk, is not what went wrong. */
  async rememberFailure(node: Node, errors: readonly YoeError[]): Promise<void> {
    const { hash } = keyOf(this.#context, node)
    const document = { hash, errors: errors.map(({ code, message }) => ({ code, message })) }
    await replaceFile(foldersOf(this.#context.buildRoot, node).failed, JSON.stringify(document)).catch(() => {})
  }
}
