import type { Reporter } from '../events.ts'
import type { Node } from '../plan/graph.ts'
import type { Expected } from './schedule.ts'

export interface ProgressOptions {
  readonly jobs: number
  readonly expected: (node: Node) => Expected & { readonly guessed?: boolean }
  /** Expected milliseconds from the start of a node until the last target after it is done. */
  readonly paths: ReadonlyMap<Node, number>
  readonly report: Reporter
}

/** Counts what a run has to build, and tells how far it is. */
export class Progress {
  readonly #options: ProgressOptions
  readonly #left = new Set<Node>()
  readonly #since = new Map<Node, number>()
  #total = 0

  constructor(options: ProgressOptions) {
    this.#options = options
  }

  /** It has to be built. */
  wanted(node: Node): void {
    this.#left.add(node)
    this.#total++
  }

  started(node: Node): void {
    this.#since.set(node, performance.now())
    this.#tell()
  }

  /** Whatever came of it; one that needed no building changes nothing. */
  ended(node: Node): void {
    if (this.#left.delete(node)) this.#tell()
  }

  #tell(): void {
    const remainingMs = this.#remaining()
    this.#options.report({
      type: 'build-progress',
      done: this.#total - this.#left.size,
      total: this.#total,
      ...(remainingMs === undefined ? {} : { remainingMs }),
    })
  }

  /** No less than the longest way to go, nor than all work spread over all jobs. */
  #remaining(): number | undefined {
    const { jobs, expected, paths } = this.#options
    const left = [...this.#left]
    if (left.filter((node) => expected(node).guessed === true).length * 2 > left.length) return undefined
    const now = performance.now()
    let [work, longest] = [0, 0]
    for (const node of left) {
      const { ms } = expected(node)
      const spent = Math.min(ms, now - (this.#since.get(node) ?? now))
      work += ms - spent
      longest = Math.max(longest, (paths.get(node) ?? ms) - spent)
    }
    return Math.round(Math.max(longest, work / jobs))
  }
}
