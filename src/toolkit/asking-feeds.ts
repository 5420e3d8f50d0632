import { userErrors, type YoeError, YoeErrors } from '#engine/errors.ts'
import { inParallel } from '#engine/in-parallel.ts'

/** How many repositories are asked at a time. */
const atOnce = 4

/**
 * Asks feeds side by side, all of them whatever becomes of some.
 *
 * @returns what they answered, in their order
 * @throws {YoeErrors} what is wrong with any of them, in their order; of what is told alike of several, once
 * @throws whatever `ask` throws that is none of the user's errors, or when it was cancelled
 */
export async function askFeeds<T, R>(
  asked: readonly T[],
  signal: AbortSignal,
  ask: (one: T) => Promise<R>,
): Promise<readonly R[]> {
  const answers = await inParallel(atOnce, asked, async (one) => {
    try {
      return { answer: await ask(one) }
    } catch (failure) {
      const errors = userErrors(failure)
      if (errors === undefined || signal.aborted) throw failure
      return { errors }
    }
  })
  const errors = new Map<string, YoeError>()
  for (const one of answers) for (const error of one.errors ?? []) errors.set(error.message, error)
  if (errors.size > 0) throw new YoeErrors([...errors.values()])
  return answers.flatMap((one) => ('answer' in one ? [one.answer] : []))
}
