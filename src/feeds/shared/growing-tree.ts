import { type DestEntry, type ScannedTree, scanDestdir } from '#engine/build/destdir.ts'
import type { PackInput } from '#engine/formats.ts'

/** A destdir's tree while it is being listed, for those who need not wait for all of it. */
export class GrowingTree {
  /** Settles when all is listed. */
  readonly whole: Promise<ScannedTree>
  /** Settles, with the same tree, when there is some of it. */
  readonly begun: Promise<ScannedTree>
  #grew: PromiseWithResolvers<ScannedTree> = Promise.withResolvers()
  #ended = false

  constructor({ destdir, unit }: Pick<PackInput, 'destdir' | 'unit'>) {
    const { promise } = this.#grew
    this.whole = scanDestdir(destdir, unit.permissions, (tree) => {
      this.#grew.resolve(tree)
      this.#grew = Promise.withResolvers()
    }).finally(() => {
      this.#ended = true
    })
    this.begun = Promise.race([promise, this.whole])
  }

  /** All entries in their order, as they become known. */
  async *batches(): AsyncGenerator<readonly DestEntry[], void, undefined> {
    const { entries } = await this.begun
    for (let at = 0; at < entries.length || !this.#ended; ) {
      const batch = entries.slice(at)
      at += batch.length
      if (batch.length > 0) yield batch
      else await Promise.race([this.#grew.promise, this.whole])
    }
  }
}
