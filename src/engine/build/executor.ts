import { rm } from 'node:fs/promises'
import { userErrors, type YoeError } from '../errors.ts'
import type { UnitOutcome } from '../events.ts'
import { canonical } from '../plan/canonical.ts'
import type { Node } from '../plan/graph.ts'
import { dependenciesOf, manifestArch } from '../plan/graph.ts'
import { whyChanged } from '../plan/why.ts'
import { listingsIn } from '../source/listing.ts'
import { writeFailure } from '../store/disk.ts'
import type { SealedManifest, UnitFile, UnitManifest } from '../store/manifest.ts'
import { seal } from '../store/manifest.ts'
import { replaceFile } from '../store/replace-file.ts'
import type { CacheSigner } from '../store/signing.ts'
import type { BuildContext } from './context.ts'
import { keyOf } from './context.ts'
import { foldersOf } from './folders.ts'
import { readLast } from './last.ts'
import type { UnitLog } from './unit-log.ts'
import { openUnitLog } from './unit-log.ts'

/** A finished file of a build, about to move into the store. */
export interface Produced {
  readonly name: string
  readonly path: string
}

/** How each kind of node is built; what they return is stored under the node's key. */
export type BuildNode = (node: Node, log: UnitLog, results: Results) => Promise<readonly Produced[]>

/** Finished nodes, for those that need their files. */
export interface Results {
  /** Waits for it, builds it where it must; rejects with what kept it from being built. */
  manifestOf(node: Node): Promise<UnitManifest>
}

/** Caches that other machines fill; see store/cache.ts. */
export interface Remotes {
  /** Brings a unit's manifest and objects into the local store; undefined when no remote has it in a way that is trusted. */
  restore(arch: string, hash: string): Promise<{ readonly manifest: UnitManifest; readonly from: string } | undefined>
  /** Gives a unit to the remotes that may be written; that one fails is a warning. */
  share(sealed: SealedManifest): Promise<void>
}

export interface ExecuteOptions {
  /** Units built at the same time. */
  readonly jobs: number
  /** Go on with what does not depend on a failed unit; otherwise only what is running ends. */
  readonly keepGoing: boolean
  /** Nodes to be built although their result is known. */
  readonly force: ReadonlySet<Node>
  /** Milliseconds since 1970 after which no unit is started. */
  readonly deadline?: number | undefined
  readonly remotes?: Remotes | undefined
  readonly signer?: CacheSigner | undefined
  readonly build: BuildNode
}

/** What became of one node. */
export interface NodeReport {
  readonly node: Node
  readonly outcome: UnitOutcome
  /** Why it was built, or skipped. */
  readonly why: string
  readonly ms: number
  readonly manifest?: UnitManifest
  readonly errors: readonly YoeError[]
}

/**
 * Makes `targets` and, of all that lies below them, only what is really needed: a node whose result is known asks nothing
 * of its dependencies (frontier restore). Two processes that want one node build it once.
 *
 * @param finish what needs the results while the run is still open: nodes it asks for beyond the targets are made, too
 * @returns a report of every node that was looked at, in the order in which they ended; failures are in there, not thrown
 */
export async function execute(
  context: BuildContext,
  targets: readonly Node[],
  options: ExecuteOptions,
  finish?: (results: Results) => Promise<void>,
): Promise<readonly NodeReport[]> {
  const run = new Execution(context, options)
  const made = await Promise.allSettled(targets.map((node) => run.manifestOf(node)))
  try {
    for (const result of made) if (result.status === 'rejected') throw result.reason
    await finish?.(run)
  } catch (failure) {
    // The report of the node that it happened to says all; anything else is a bug of ours.
    if (!(failure instanceof Blocked)) throw failure
  } finally {
    await run.settled()
  }
  return run.reports
}

/** Thrown towards dependents; the failure itself is in the report of the node that it happened to. */
class Blocked extends Error {
  override readonly name = 'Blocked'
  readonly by: string

  constructor(by: string) {
    super(by)
    this.by = by
  }
}

class Execution implements Results {
  readonly reports: NodeReport[] = []
  readonly #context: BuildContext
  readonly #options: ExecuteOptions
  readonly #wanted = new Map<Node, Promise<UnitManifest>>()
  readonly #saving: Promise<void>[] = []
  readonly #slots: Slots
  #stopped: string | undefined

  constructor(context: BuildContext, options: ExecuteOptions) {
    this.#context = context
    this.#options = options
    this.#slots = new Slots(options.jobs)
  }

  manifestOf(node: Node): Promise<UnitManifest> {
    const known = this.#wanted.get(node)
    if (known !== undefined) return known
    const wanted = this.#make(node)
    this.#wanted.set(node, wanted)
    wanted.catch(() => {})
    return wanted
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#wanted.values())
    await Promise.all(this.#saving)
  }

  async #make(node: Node): Promise<UnitManifest> {
    const start = performance.now()
    const end = (outcome: UnitOutcome, why: string, more: Partial<NodeReport> = {}): void => {
      const ms = outcome === 'built' ? (more.manifest?.facts.ms ?? 0) : performance.now() - start
      const errors = more.errors ?? []
      this.reports.push({ node, outcome, why, ms, ...more, errors })
      const [error] = errors
      this.#context.report({
        type: 'unit-ended',
        unit: node.id,
        outcome,
        ms,
        ...(error === undefined ? {} : { error }),
      })
    }
    try {
      const forced = this.#options.force.has(node)
      const found = forced ? undefined : await this.#find(node)
      if (found !== undefined) {
        end(found.outcome, found.outcome === 'restored' ? 'from a shared cache' : 'nothing changed', {
          manifest: found.manifest,
        })
        return found.manifest
      }
      await this.#dependencies(node)
      const { manifest, why } = await this.#slots.use(() => this.#build(node, forced))
      end('built', why, { manifest })
      return manifest
    } catch (failure) {
      if (failure instanceof Blocked) {
        end(this.#context.signal.aborted ? 'cancelled' : 'skipped', failure.by)
        throw failure
      }
      // Wherever a write fails in a build, a full disk is a full disk.
      const errors = userErrors(await writeFailure(failure, this.#context.buildRoot))
      if (errors === undefined) throw failure
      const cancelled = errors.some((error) => error.code === 'CANCELLED')
      if (!cancelled) await this.#rememberFailure(node, errors)
      end(cancelled ? 'cancelled' : 'failed', errors[0]?.message ?? '', { errors })
      if (!this.#options.keepGoing || cancelled)
        this.#stopped ??= cancelled ? 'the build was stopped' : `${node.unit.name} failed`
      throw new Blocked(`${node.unit.name} ${cancelled ? 'was cancelled' : 'failed'}`)
    }
  }

  async #dependencies(node: Node): Promise<void> {
    const results = await Promise.allSettled(dependenciesOf(node).map((dependency) => this.manifestOf(dependency)))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  /** A result that is there already: here, or in a remote. */
  async #find(
    node: Node,
  ): Promise<{ manifest: UnitManifest; outcome: 'cached' | 'restored'; why: string } | undefined> {
    const local = await this.#local(node)
    if (local !== undefined) {
      await rm(foldersOf(this.#context.buildRoot, node).failed, { force: true })
      return { manifest: local, outcome: 'cached', why: 'nothing changed' }
    }
    const restored = await this.#options.remotes?.restore(manifestArch(node), keyOf(this.#context, node).hash)
    if (restored === undefined) return undefined
    await this.#remember(node)
    return { manifest: restored.manifest, outcome: 'restored', why: `from ${restored.from}` }
  }

  async #local(node: Node): Promise<UnitManifest | undefined> {
    const { store } = this.#context
    const sealed = await store.manifest(manifestArch(node), keyOf(this.#context, node).hash)
    if (sealed === undefined) return undefined
    const present = await Promise.all(sealed.manifest.files.map(({ sha256 }) => store.objects.has(sha256)))
    return present.every(Boolean) ? sealed.manifest : undefined
  }

  async #build(node: Node, forced: boolean): Promise<{ manifest: UnitManifest; why: string }> {
    const { store, report, buildRoot, signal } = this.#context
    const key = keyOf(this.#context, node)
    if (signal.aborted) this.#stopped ??= 'the build was stopped'
    if (this.#options.deadline !== undefined && Date.now() > this.#options.deadline)
      this.#stopped ??= 'the time for this job is over'
    if (this.#stopped !== undefined) throw new Blocked(this.#stopped)
    await using _alone = await store.lock(`unit-${key.hash}`, { signal })
    // Somebody else may have built it while this process waited for the lock.
    const meanwhile = forced ? undefined : await this.#local(node)
    if (meanwhile !== undefined) return { manifest: meanwhile, why: 'another process built it just now' }
    const folders = foldersOf(buildRoot, node)
    const why = forced
      ? 'asked for by --force'
      : whyChanged(await readLast(folders.last), key.inputs, listingsIn(store.root))
    report({ type: 'unit-started', unit: node.id, title: node.unit.name, why, log: folders.log })
    const log = openUnitLog(folders.log, node.id, report)
    const start = performance.now()
    try {
      // Waiting for another node gives the place away, which that node may need.
      const results: Results = { manifestOf: (other) => this.#slots.pause(() => this.manifestOf(other)) }
      const produced = await this.#options.build(node, log, results)
      const files: UnitFile[] = []
      for (const { name, path } of produced) {
        const { sha256, size } = await store.objects.adopt(path)
        files.push({ name, sha256, size })
      }
      const manifest: UnitManifest = {
        unit: node.unit.name,
        arch: manifestArch(node),
        distro: node.distro,
        hash: key.hash,
        inputs: key.inputs,
        files,
        facts: { builtAt: Date.now(), ms: Math.round(performance.now() - start), builder: this.#context.builder },
      }
      const sealed = seal(manifest, store.scope, this.#options.signer)
      await store.record(sealed)
      await this.#remember(node)
      const { remotes } = this.#options
      // Saved the moment it is done, so that a failure elsewhere loses nothing; nobody waits for it but the end.
      if (remotes !== undefined) this.#saving.push(remotes.share(sealed))
      return { manifest, why }
    } finally {
      log.close()
    }
  }

  /** What the next `why` compares with. */
  async #remember(node: Node): Promise<void> {
    const { last, failed } = foldersOf(this.#context.buildRoot, node)
    await replaceFile(last, canonical(keyOf(this.#context, node).inputs))
    await rm(failed, { force: true })
  }

  /** For lists and descriptions; that it can't be written, on a full disk, is not what went wrong. */
  async #rememberFailure(node: Node, errors: readonly YoeError[]): Promise<void> {
    const { hash } = keyOf(this.#context, node)
    const document = { hash, errors: errors.map(({ code, message }) => ({ code, message })) }
    await replaceFile(foldersOf(this.#context.buildRoot, node).failed, JSON.stringify(document)).catch(() => {})
  }
}

/** A bound on work done at the same time, first come, first served. */
class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async use<T>(work: () => Promise<T>): Promise<T> {
    await this.#take()
    try {
      return await work()
    } finally {
      this.#give()
    }
  }

  /** For work that holds a place and only waits for a while. */
  async pause<T>(wait: () => Promise<T>): Promise<T> {
    this.#give()
    try {
      return await wait()
    } finally {
      await this.#take()
    }
  }

  async #take(): Promise<void> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#free--
  }

  #give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}
