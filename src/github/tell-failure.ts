import { userErrors, YoeError } from '#engine/errors.ts'
import { bug, type Host, Told } from './host.ts'
import type { ActionsReporter } from './reporter.ts'
import { renderSummary, type SummaryInput } from './summary.ts'

/** Tells a failure that no unit had: annotations at the lines that caused it, and the job's page. @returns what to throw */
export function tellFailure(
  host: Pick<Host, 'summary'>,
  reporter: ActionsReporter,
  failure: unknown,
  page: Pick<SummaryInput, 'title' | 'localCommand' | 'ms'>,
): Told {
  const errors = userErrors(failure) ?? [new YoeError('TASK_FAILED', bug(failure))]
  reporter.fail(errors)
  const tails = errors.map(({ log }) => log?.tail ?? [])
  host.summary(renderSummary({ ...page, units: [], annotations: reporter.annotations, failure: { errors, tails } }))
  return new Told()
}
