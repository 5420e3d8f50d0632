import { createHash } from 'node:crypto'
import type { Environment } from './environment.ts'
import { combineErrors, formatPosition, StarlarkError, type StarlarkPosition } from './errors.ts'
import type { LoadStatement, Program, StarlarkModule } from './module.ts'
import { abortable, throwIfAborted } from './runs.ts'
import type { StarlarkSession } from './session.ts'

/** Keeps compiled programs between processes. It may forget or return damaged bytes: both cost a compilation, no more. */
export interface ProgramCache {
  get(key: string): Uint8Array | undefined | Promise<Uint8Array | undefined>
  /** A promise is awaited. */
  set(key: string, bytecode: Uint8Array): unknown
}

export interface EvaluateOptions {
  readonly environment: Environment
  /**
   * The canonical id of the module that a `load` statement names. One file must have one id. What it throws is the cause
   * of a `load` error at the statement.
   *
   * @param from id of the file with the statement
   */
  readonly resolve: (module: string, from: string) => string | Promise<string>
  /** The source of a file. Called once per file and evaluation, for up to 64 files at a time. */
  readonly read: (id: string) => string | Uint8Array | Promise<string | Uint8Array>
  readonly cache?: ProgramCache | undefined
  /** Go on with the files that don't depend on a failed one, and report all errors. Default: stop at the first. */
  readonly keepGoing?: boolean
  readonly signal?: AbortSignal | undefined
}

const readsAtOnce = 64

/** A file of the graph. */
interface Node {
  readonly id: string
  /** The load statement that asked for it first, or undefined for an entry. */
  readonly askedBy: StarlarkPosition | undefined
  program?: Program
  /** Set for a module that was evaluated before. */
  module?: StarlarkModule
  readonly edges: Edge[]
  readonly errors: StarlarkError[]
}

interface Edge {
  readonly load: LoadStatement
  readonly target: Node
}

/** `StarlarkSession.evaluate`, which has the contract. */
export async function evaluateGraph(
  session: StarlarkSession,
  entries: readonly string[],
  options: EvaluateOptions,
): Promise<ReadonlyMap<string, StarlarkModule>> {
  const { environment, keepGoing = false } = options
  const roots = await new Discovery(session, options).discover(entries)
  const order = loadedFirst(roots, keepGoing)
  if (!keepGoing) throwAny(order.flatMap((node) => node.errors))
  for (const node of order) {
    throwIfAborted(options.signal)
    if (node.module !== undefined || node.errors.length > 0) continue
    if (node.edges.some(({ target }) => target.module === undefined)) continue
    try {
      node.module = await environment.evaluateOnce(node.id, () => execute(session, node, options.signal))
    } catch (thrown) {
      if (!(thrown instanceof StarlarkError)) throw thrown
      const fatal = thrown.kind === 'cancelled' || session.lost !== undefined
      node.errors.push(locate(thrown, node.id))
      if (fatal || !keepGoing) break
    }
  }
  throwAny(order.flatMap((node) => node.errors))
  return new Map(roots.flatMap(({ id, module }) => (module === undefined ? [] : [[id, module]])))
}

function execute(session: StarlarkSession, node: Node, signal: AbortSignal | undefined): Promise<StarlarkModule> {
  if (node.program === undefined) throw new Error(`${node.id} was not compiled`)
  const loads = new Map<string, StarlarkModule>()
  for (const { load, target } of node.edges) {
    if (target.module !== undefined) loads.set(load.module, target.module)
  }
  return session.execute(node.program, { loads, signal })
}

/** Whoever runs out of memory or stack can't say where; the file is known here. */
function locate(error: StarlarkError, file: string): StarlarkError {
  if (error.position !== undefined) return error
  return new StarlarkError(error.kind, error.message, {
    position: { file, line: 0, column: 0 },
    frames: error.frames,
    cause: error,
  })
}

function throwAny(errors: readonly StarlarkError[]): void {
  const [first, ...rest] = errors
  if (first !== undefined) throw combineErrors([first, ...rest])
}

/** Finds the graph, one level of `load` statements after the other, so that limits and errors never depend on timing. */
class Discovery {
  readonly #session: StarlarkSession
  readonly #options: EvaluateOptions
  readonly #nodes = new Map<string, Node>()
  #loaded = 0

  constructor(session: StarlarkSession, options: EvaluateOptions) {
    this.#session = session
    this.#options = options
  }

  async discover(entries: readonly string[]): Promise<Node[]> {
    const roots = [...new Set(entries)].map((id) => this.#add(id, undefined))
    for (let level = roots; level.length > 0; ) {
      await inParallel(level, (node) => this.#load(node))
      const targets = await Promise.all(level.map((node) => this.#resolveLoads(node)))
      level = level.flatMap((node, i) => this.#connect(node, targets[i] ?? []))
    }
    return roots
  }

  #add(id: string, askedBy: StarlarkPosition | undefined): Node {
    const node: Node = { id, askedBy, edges: [], errors: [] }
    this.#nodes.set(id, node)
    return node
  }

  async #load(node: Node): Promise<void> {
    const { environment } = this.#options
    const known = environment.find(node.id)
    if (known !== undefined) {
      try {
        node.module = await known
        return
      } catch {
        // It failed in an evaluation that runs beside this one, which reports it; here it is tried anew.
      }
    }
    try {
      const source = await this.#read(node)
      node.program = await this.#compile(node.id, source)
    } catch (thrown) {
      if (!(thrown instanceof StarlarkError) || thrown.kind === 'cancelled' || this.#session.lost !== undefined)
        throw thrown
      node.errors.push(thrown)
    }
  }

  async #read(node: Node): Promise<string | Uint8Array> {
    const { signal } = this.#options
    throwIfAborted(signal)
    try {
      const reading = this.#options.read(node.id)
      return await (signal === undefined ? reading : abortable(signal, reading))
    } catch (thrown) {
      throwIfAborted(signal)
      throw new StarlarkError('load', `can't read ${node.id}: ${messageOf(thrown)}`, {
        position: node.askedBy ?? { file: node.id, line: 0, column: 0 },
        cause: thrown,
      })
    }
  }

  async #compile(id: string, source: string | Uint8Array): Promise<Program> {
    const { cache, environment } = this.#options
    if (cache === undefined) return this.#session.compile(id, source, environment)
    const naming = createHash('sha256').update(JSON.stringify([environment.fingerprint, id]))
    const key = naming.update(source).digest('hex')
    const cached = await cache.get(key)
    const restored = cached === undefined ? undefined : await this.#session.restore(id, cached, environment, source)
    if (restored !== undefined) return restored
    const program = await this.#session.compile(id, source, environment)
    await cache.set(key, program.bytecode)
    return program
  }

  async #resolveLoads(node: Node): Promise<(string | StarlarkError)[]> {
    return Promise.all((node.program?.loads ?? []).map((load) => this.#resolve(node, load)))
  }

  async #resolve(node: Node, load: LoadStatement): Promise<string | StarlarkError> {
    try {
      return await this.#options.resolve(load.module, node.id)
    } catch (thrown) {
      const message = `can't load ${JSON.stringify(load.module)}: ${messageOf(thrown)}`
      return new StarlarkError('load', message, { position: load.position, cause: thrown })
    }
  }

  /** Connects a node with what it loads, and gives the nodes that are new. */
  #connect(node: Node, targets: readonly (string | StarlarkError)[]): Node[] {
    const fresh: Node[] = []
    targets.forEach((resolved, i) => {
      const load = node.program?.loads[i]
      if (load === undefined) return
      if (resolved instanceof StarlarkError) {
        node.errors.push(resolved)
        return
      }
      let target = this.#nodes.get(resolved)
      if (target === undefined) {
        this.#loaded++
        if (this.#loaded > this.#session.limits.loads) {
          const message = `more than ${this.#session.limits.loads} modules are loaded`
          throw new StarlarkError('limit', message, { position: load.position })
        }
        target = this.#add(resolved, load.position)
        fresh.push(target)
      }
      node.edges.push({ load, target })
    })
    return fresh
  }
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values()
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(readsAtOnce, items.length) }, worker))
}

/**
 * Every node once, behind all that it loads; otherwise in the order of the roots and of their load statements.
 *
 * @param keepGoing notes a cycle at the node that closes it
 * @throws {StarlarkError} `load`, for a cycle
 */
function loadedFirst(roots: readonly Node[], keepGoing: boolean): Node[] {
  const order: Node[] = []
  const finished = new Set<Node>()
  for (const root of roots) {
    const path: { node: Node; next: number }[] = []
    const onPath = new Set<Node>()
    const enter = (node: Node): void => {
      path.push({ node, next: 0 })
      onPath.add(node)
    }
    if (!finished.has(root)) enter(root)
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const edge = top.node.edges[top.next++]
      if (edge === undefined) {
        path.pop()
        onPath.delete(top.node)
        finished.add(top.node)
        order.push(top.node)
      } else if (onPath.has(edge.target)) {
        const error = cycle([...path.map(({ node }) => node.id), edge.target.id], edge.load)
        if (!keepGoing) throw error
        top.node.errors.push(error)
      } else if (!finished.has(edge.target)) {
        enter(edge.target)
      }
    }
  }
  return order
}

function cycle(path: readonly string[], closing: LoadStatement): StarlarkError {
  const start = path.indexOf(path.at(-1) ?? '')
  return new StarlarkError('load', `load cycle: ${path.slice(start).join(' → ')}`, { position: closing.position })
}

function messageOf(thrown: unknown): string {
  if (thrown instanceof StarlarkError && thrown.position !== undefined) {
    return `${formatPosition(thrown.position)}: ${thrown.message}`
  }
  return thrown instanceof Error ? thrown.message : String(thrown)
}
