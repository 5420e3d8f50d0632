import { userErrors, YoeError, YoeErrors } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import { inParallel } from '#engine/in-parallel.ts'
import type { SourceLock } from '#engine/modules/lock.ts'
import { keyOf, sourceEntry } from '#engine/modules/lock.ts'
import type { Project } from '#engine/project/model.ts'
import { askRef } from '#engine/source/git-refs.ts'
import { fetcherOf } from './fetching.ts'
import type { Unpinned } from './pins.ts'
import type { Workspace } from './workspace.ts'

/** How many repositories are asked at a time. */
const atOnce = 8

/**
 * Asks the repositories of sources where their tags and branches are now, each once.
 * @throws {YoeErrors} FETCH_FAILED at each unit whose repository gives no answer
 */
export async function askSources(
  workspace: Workspace,
  project: Project,
  asked: readonly Unpinned[],
): Promise<readonly SourceLock[]> {
  const { offline, signal, report } = workspace
  const fetcher = fetcherOf(workspace, project)
  const errors: YoeError[] = []
  const questions = new Map(asked.map((one) => [keyOf(sourceEntry(one.source, '')), one]))
  const found: SourceLock[] = []
  const ask = async ({ unit, source }: Unpinned): Promise<void> => {
    const { url, ref, refKind } = source
    const question = { url, candidates: fetcher.locate?.(url) ?? [url], offline, signal }
    try {
      const { commit } = await step(report, `Ask for ${ref} of ${unit.name}`, () => askRef(question, ref, refKind))
      found.push(sourceEntry(source, commit))
    } catch (failure) {
      for (const error of userErrors(failure) ?? [failure]) {
        if (!(error instanceof YoeError)) throw failure
        const { code, message, hint, cause } = error
        errors.push(
          new YoeError(code, `the source of unit "${unit.name}": ${message}`, {
            hint,
            cause,
            at: source.at,
            unit: unit.name,
          }),
        )
      }
    }
  }
  await inParallel(atOnce, [...questions.values()], ask)
  if (errors.length > 0) throw new YoeErrors(errors)
  return found
}
