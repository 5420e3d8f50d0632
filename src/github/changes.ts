import { userErrors } from '#engine/errors.ts'
import type { RunContext } from './context.ts'
import type { ActionsReporter } from './reporter.ts'
import { GitHubRest } from './rest.ts'

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
    const basehead = `${change.base}...${change.head}`
    const rest = new GitHubRest({ owner, repo, apiUrl, token })
    const { data } = await rest.call('ask what this change touches', 'contents: read', (octokit, at) =>
      octokit.rest.repos.compareCommitsWithBasehead({ ...at, basehead }),
    )
    const files = (data.files ?? []).flatMap(({ filename, previous_filename: old }) =>
      old === undefined ? [filename] : [filename, old],
    )
    if ((data.files ?? []).length >= mostFiles || files.some((file) => file.startsWith('.github/workflows/')))
      return undefined
    return within(project, files)
  } catch (failure) {
    const [error] = userErrors(failure) ?? []
    if (error === undefined) throw failure
    reporter.line(`All cells are built: ${error.message}`)
    return undefined
  }
}

export function within(project: string, files: readonly string[]): readonly string[] {
  if (project === '.') return files
  const start = `${project}/`
  return files.filter((file) => file.startsWith(start)).map((file) => file.slice(start.length))
}
