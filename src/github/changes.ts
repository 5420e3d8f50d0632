import type { RunContext } from './context.ts'
import type { ActionsReporter } from './reporter.ts'
import { withRetries } from './rest-retry.ts'

/** GitHub lists no more files of a comparison. */
const mostFiles = 300

/**
 * What a pull request or push changes, relative to the project.
 *
 * @returns undefined when everything is to be considered changed: nothing to compare with, more files than GitHub
 *   lists, a changed workflow, or no answer (which is said)
 */
export async function changedFiles(
  context: RunContext,
  project: string,
  token: string,
  reporter: ActionsReporter,
): Promise<readonly string[] | undefined> {
  const { change, owner, repo, apiUrl } = context
  if (change === undefined || token === '') return undefined
  try {
    const { getOctokit } = await import('@actions/github')
    const octokit = getOctokit(token, { baseUrl: apiUrl })
    const basehead = `${change.base}...${change.head}`
    const { data } = await withRetries(() => octokit.rest.repos.compareCommitsWithBasehead({ owner, repo, basehead }))
    const files = (data.files ?? []).flatMap(({ filename, previous_filename: old }) =>
      old === undefined ? [filename] : [filename, old],
    )
    if ((data.files ?? []).length >= mostFiles || files.some((file) => file.startsWith('.github/workflows/')))
      return undefined
    return within(project, files)
  } catch (failure) {
    const reason = failure instanceof Error ? failure.message : String(failure)
    reporter.line(`What this change touches could not be asked (${reason}): all cells are built.`)
    return undefined
  }
}

export function within(project: string, files: readonly string[]): readonly string[] {
  if (project === '.') return files
  const start = `${project}/`
  return files.filter((file) => file.startsWith(start)).map((file) => file.slice(start.length))
}
