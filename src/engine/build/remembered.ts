import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Node } from '../plan/graph.ts'
import { inOrder } from '../plan/graph.ts'
import { replaceFile } from '../store/replace-file.ts'
import type { Expected } from './schedule.ts'

const fileName = 'measured.json'

/** Of so many nodes, the ones built last, it is remembered what they took. */
const most = 10_000

/** What is expected of a node that was never built here, nor anything beside it (ms). */
const usualMs = 10_000

/** Peak memory of what was never built here. Compilers of C++ take more, most of what is built less. */
const usualMemory = { package: 2 ** 30, toolchain: 2 ** 29, image: 2 ** 29 } as const satisfies Record<
  Node['kind'],
  number
>

/** What nodes took, by id, the last one at the end. */
type Measured = Map<string, Expected>

/**
 * What builds took before, `$YOE_CACHE/measured.json`: it decides about the order of work and never about a result, so
 * that a damaged or missing file only costs time.
 */
export class Remembered {
  readonly #path: string
  readonly #known: Measured
  readonly #fresh: Measured = new Map()

  private constructor(path: string, known: Measured) {
    this.#path = path
    this.#known = known
  }

  /** @param cacheRoot absolute */
  static async read(cacheRoot: string): Promise<Remembered> {
    const path = join(cacheRoot, fileName)
    return new Remembered(path, await read(path))
  }

  /** Undefined: it was never built here. */
  of({ id }: Pick<Node, 'id'>): Expected | undefined {
    return this.#fresh.get(id) ?? this.#known.get(id)
  }

  /** What to expect of each node below `targets`; one that was never built takes as long as the middle one of the others. */
  expectations(targets: readonly Node[]): (node: Node) => Expected & { readonly guessed?: boolean } {
    const times = inOrder(targets).flatMap((node) => this.of(node)?.ms ?? [])
    const middle = times.toSorted((a, b) => a - b)[times.length >> 1] ?? usualMs
    return (node) => this.of(node) ?? { ms: middle, memoryBytes: usualMemory[node.kind], guessed: true }
  }

  note({ id }: Pick<Node, 'id'>, took: Expected): void {
    this.#fresh.set(id, took)
  }

  /** Adds what this run noted to what other runs did meanwhile. That it can't be written harms nothing. */
  async save(): Promise<void> {
    if (this.#fresh.size === 0) return
    const all = await read(this.#path)
    for (const [id, took] of this.#fresh) {
      all.delete(id)
      all.set(id, took)
    }
    const kept = [...all].slice(-most).map(([id, { ms, memoryBytes }]) => [id, ms, memoryBytes])
    await replaceFile(this.#path, JSON.stringify(kept)).catch(() => {})
  }
}

async function read(path: string): Promise<Measured> {
  const known: Measured = new Map()
  try {
    const rows: unknown = JSON.parse(await readFile(path, 'utf8'))
    for (const row of Array.isArray(rows) ? rows : []) {
      const [id, ms, memoryBytes]: readonly unknown[] = Array.isArray(row) ? row : []
      if (typeof id === 'string' && isAmount(ms) && isAmount(memoryBytes)) known.set(id, { ms, memoryBytes })
    }
  } catch {
    // None yet, or damaged.
  }
  return known
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
