/**
 * Works on at most `most` items at a time, begun in their order.
 *
 * @returns what came of them, in their order
 * @throws what the first that failed threw, once those beside it are done; no other is begun then
 */
export async function inParallel<T, R>(
  most: number,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = []
  const queue = waiting(items)
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item)
  }
  const workers = Array.from({ length: most }, worker)
  try {
    await Promise.all(workers)
  } finally {
    await Promise.allSettled(workers)
  }
  return results
}

/** A generator, since the first loop over it that throws closes it for all. */
function* waiting<T>(items: readonly T[]): Generator<[number, T]> {
  yield* items.entries()
}
