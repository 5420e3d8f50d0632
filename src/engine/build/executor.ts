import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { userErrors, YoeError } from '../errors.ts'
import type { UnitOutcome } from '../events.ts'
import type { Node } from '../plan/graph.ts'
import { dependenciesOf, inOrder, manifestArch } from '../plan/graph.ts'
import { whyChanged } from '../plan/why.ts'
import type { Json } from '../project/model.ts'
import { listingsIn } from '../source/listing.ts'
import { writeFailure } from '../store/disk.ts'
import type { SealedManifest, UnitFile, UnitManifest } from '../store/manifest.ts'
import { seal } from '../store/manifest.ts'
import type { CacheSigner } from '../store/signing.ts'
import type { Claim, Claims } from './claims.ts'
import type { BuildContext } from './context.ts'
import { keyOf, limitsOf } from './context.ts'
import { foldersOf } from './folders.ts'
import type { Remotes } from './known-results.ts'
import { KnownResults } from './known-results.ts'
import { readLast } from './last.ts'
import { Progress } from './progress.ts'
import { Remembered } from './remembered.ts'
import type { Outcome } from './rights.ts'
import { Rights } from './rights.ts'
import { announce } from './running.ts'
import type { Work } from './schedule.ts'
import { longestPaths, memoryBudget } from './schedule.ts'
import type { Turn } from './turns.ts'
import { Turns } from './turns.ts'
import type { UnitLog } from './unit-log.ts'
import { openUnitLog } from './unit-log.ts'

/** A finished file of a build, about to move into the store. */
export interface Produced {
  readonly name: string
  readonly path: string
}

/**
 * How each kind of node is built; what they return is stored under the node's key.
 * @param context of the run, with the node's share of the machine
 */
export type BuildNode = (
  node: Node,
  log: UnitLog,
  results: Results,
  context: BuildContext,
) => Promise<readonly Produced[]>

/** That a node is built although its result is known. */
export interface Rebuild {
  /** Who wants it: `asked for by --force`. */
  readonly why: string
  /** From nothing, also without what its cache folders and developing have kept. */
  readonly clean: boolean
}

/** Finished nodes, for those that need their files. */
export interface Results {
  /** Waits for it, builds it where it must; rejects with what kept it from being built. */
  manifestOf(node: Node): Promise<UnitManifest>
}

export interface ExecuteOptions {
  /** Units built at the same time. */
  readonly jobs: number
  /** Go on with what does not depend on a failed unit; otherwise only what is running ends. */
  readonly keepGoing: boolean
  /** Nodes to be built although their result is known. */
  readonly rebuild: ReadonlyMap<Node, Rebuild>
  /** Milliseconds since 1970 after which no unit is started. */
  readonly deadline?: number | undefined
  readonly remotes?: Remotes | undefined
  /** What machines that build the same agree on; undefined: this one builds whatever it lacks. */
  readonly claims?: Claims | undefined
  readonly signer?: CacheSigner | undefined
  readonly build: BuildNode
  /** What a node was made of when it was built last on another machine: asked where this one does not know. */
  readonly lastOf?: ((id: string) => Promise<Json | undefined>) | undefined
  /** Bytes that what runs together is expected to use at most; default: most of what is available. */
  readonly memoryBytes?: number
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
 * @returns a report of every node that was looked at, dependencies first, in the order of the targets; failures are in
 *   there, not thrown
 */
export async function execute(
  context: BuildContext,
  targets: readonly Node[],
  options: ExecuteOptions,
  finish?: (results: Results) => Promise<void>,
): Promise<readonly NodeReport[]> {
  // Nobody clears away what is found from here on.
  await context.store.hold()
  const run = new Execution(context, targets, options, await Remembered.read(context.store.root))
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
  const order = new Map(inOrder(targets).map((node, index) => [node, index]))
  const place = ({ node }: NodeReport): number => order.get(node) ?? order.size
  return run.reports.toSorted((a, b) => place(a) - place(b))
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
  readonly #turns: Turns
  readonly #remembered: Remembered
  readonly #progress: Progress
  readonly #expected: ReturnType<Remembered['expectations']>
  readonly #paths: ReadonlyMap<Node, number>
  readonly #known: KnownResults
  #stopped: string | undefined

  constructor(context: BuildContext, targets: readonly Node[], options: ExecuteOptions, remembered: Remembered) {
    const { jobs, memoryBytes = memoryBudget() } = options
    this.#context = context
    this.#options = options
    this.#remembered = remembered
    this.#expected = remembered.expectations(targets)
    this.#paths = longestPaths(targets, (node) => this.#expected(node).ms)
    this.#known = new KnownResults(context, targets, this.#paths, options.remotes)
    const { claims, deadline } = options
    const rights = new Rights({ context, known: this.#known, claims, deadline })
    const bounds = { jobs, memoryBytes, processors: context.processors }
    this.#turns = new Turns(bounds, rights, () => this.#checkTime())
    this.#progress = new Progress({ jobs, expected: this.#expected, paths: this.#paths, report: context.report })
  }

  manifestOf(node: Node): Promise<UnitManifest> {
    const known = this.#wanted.get(node)
    if (known !== undefined) return known
    const wanted = this.#obtain(node)
    this.#wanted.set(node, wanted)
    wanted.catch(() => {})
    return wanted
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#wanted.values())
    await Promise.all(this.#saving)
    await this.#remembered.save()
  }

  async #obtain(node: Node): Promise<UnitManifest> {
    const start = performance.now()
    const end = (outcome: UnitOutcome, why: string, more: Partial<NodeReport> = {}): void => {
      const ms = outcome === 'built' ? (more.manifest?.facts.ms ?? 0) : performance.now() - start
      const errors = more.errors ?? []
      this.reports.push({ node, outcome, why, ms, ...more, errors })
      this.#progress.ended(node)
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
      const rebuild = this.#options.rebuild.get(node)
      const found = await this.#find(node, rebuild)
      if (found !== undefined) {
        const { manifest, outcome } = found
        end(outcome, outcome === 'restored' ? 'from a shared cache' : 'nothing changed', { manifest })
        return manifest
      }
      const work: Work = { path: this.#paths.get(node) ?? 0, memoryBytes: this.#expected(node).memoryBytes }
      await this.#dependencies(node)
      const { ms, guessed } = this.#expected(node)
      const candidate = { node, work, again: rebuild !== undefined, expectedMs: guessed === true ? undefined : ms }
      const { manifest, why, outcome } = await this.#turns.use(candidate, (turn) => this.#build(node, rebuild, turn))
      end(outcome, why, { manifest })
      return manifest
    } catch (failure) {
      if (failure instanceof Blocked) {
        end(this.#context.signal.aborted ? 'cancelled' : 'skipped', failure.by)
        throw failure
      }
      // Wherever a write fails in a build, a full disk is a full disk.
      const { signal, buildRoot } = this.#context
      // What was interrupted in the middle fails in many ways, of which none is the reason.
      const told = userErrors(await writeFailure(failure, buildRoot))
      // Of what was at work in it, only that counts: /bin/bash was cancelled, say.
      const interrupted = signal.aborted && (told ?? []).every(({ code }) => code === 'CANCELLED')
      const errors = interrupted ? [new YoeError('CANCELLED', `${node.unit.name} was cancelled`)] : told
      if (errors === undefined) throw failure
      const cancelled = errors.some((error) => error.code === 'CANCELLED')
      // First, since its place is free by now.
      if (!this.#options.keepGoing || cancelled)
        this.#stopped ??= cancelled ? 'the build was stopped' : `${node.unit.name} failed`
      if (!cancelled) await this.#known.rememberFailure(node, errors)
      end(cancelled ? 'cancelled' : 'failed', errors[0]?.message ?? '', { errors })
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
    rebuild: Rebuild | undefined,
  ): Promise<{ manifest: UnitManifest; outcome: 'cached' | 'restored' } | undefined> {
    if (rebuild !== undefined) {
      this.#progress.wanted(node)
      return undefined
    }
    // What is started first is chosen among all that turns out to be ready, not among what was looked at first.
    this.#turns.places.hold()
    try {
      const local = await this.#known.local(node)
      if (local !== undefined) {
        await rm(foldersOf(this.#context.buildRoot, node).failed, { force: true })
        return { manifest: local, outcome: 'cached' }
      }
    } finally {
      this.#turns.places.go()
    }
    const manifest = await this.#known.shared(node)
    if (manifest !== undefined) return { manifest, outcome: 'restored' }
    this.#progress.wanted(node)
    return undefined
  }

  #checkTime(): void {
    const { deadline } = this.#options
    if (this.#context.signal.aborted) this.#stopped ??= 'the build was stopped'
    if (deadline !== undefined && Date.now() > deadline) this.#stopped ??= 'the time for this job is over'
    if (this.#stopped !== undefined) throw new Blocked(this.#stopped)
  }

  /** The input document of the last build here, else of one elsewhere. */
  async #lastOf(node: Node): Promise<Json | undefined> {
    const { last } = foldersOf(this.#context.buildRoot, node)
    return (await readLast(last)) ?? (await this.#options.lastOf?.(node.id))
  }

  async #build(node: Node, rebuild: Rebuild | undefined, turn: Turn): Promise<Outcome> {
    const { store, report, buildRoot, signal } = this.#context
    const key = keyOf(this.#context, node)
    const folders = foldersOf(buildRoot, node)
    // Of another state of the project, whose key differs, which is built in the same folder.
    const lock = `folder-${createHash('sha256').update(folders.root).digest('hex')}`
    const title = `the build folder of ${node.unit.name}`
    await using _folder = await store.lock(lock, { signal, title, wait: turn.pause })
    // Others may have been waited for.
    this.#checkTime()
    const why = rebuild?.why ?? whyChanged(await this.#lastOf(node), key.inputs, listingsIn(store.root))
    this.#progress.started(node)
    report({ type: 'unit-started', unit: node.id, title: node.unit.name, why, log: folders.log })
    const { logBytes } = limitsOf(this.#context, node.kind === 'package' ? node.unit : {})
    const log = openUnitLog(folders.log, node.id, report, logBytes)
    const gone = announce(folders.running)
    const start = performance.now()
    try {
      // Waiting for another node gives the place away, which that node may need.
      const results: Results = { manifestOf: (other) => turn.pause(() => this.manifestOf(other)) }
      let memoryBytes = 0
      const produced = await this.#options.build(node, log, results, {
        ...this.#context,
        processors: turn.share.processors,
        clean: rebuild?.clean === true,
        memoryUsed: (bytes) => {
          memoryBytes = Math.max(memoryBytes, bytes)
        },
      })
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
      this.#remembered.note(node, { ms: manifest.facts.ms, memoryBytes })
      // Who was taken for dead does not add a second result to one that is there.
      const { claim } = turn.right
      const faster = claim?.doubtful === true ? await this.#known.sharedByNow(node) : undefined
      if (faster !== undefined) {
        await claim?.done()
        return { manifest: faster, why: 'another machine was faster', outcome: 'restored' }
      }
      const sealed = seal(manifest, store.scope, this.#options.signer)
      await store.record(sealed)
      await this.#known.remember(node)
      // Saved the moment it is done, so that a failure elsewhere loses nothing; nobody waits for it but the end.
      this.#saving.push(this.#share(sealed, claim))
      return { manifest, why, outcome: 'built' }
    } finally {
      try {
        log.close()
      } finally {
        gone()
      }
    }
  }

  async #share(sealed: SealedManifest, claim: Claim | undefined): Promise<void> {
    await this.#options.remotes?.share(sealed)
    await claim?.done()
  }
}
