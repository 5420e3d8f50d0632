import type { RunContext } from './context.ts'
import type { GitHubRest } from './rest.ts'

/**
 * Why GitHub keeps no attestations of what this repository makes; undefined: it does. A job can't ask for the plan, by
 * which private repositories may have them, too.
 *
 * @see https://docs.github.com/actions/concepts/security/artifact-attestations
 * @throws {YoeError} FETCH_FAILED
 */
export async function notAttestable(rest: GitHubRest, { runUrl }: RunContext): Promise<string | undefined> {
  if (!runUrl.startsWith('https://github.com/')) return 'GitHub Enterprise Server has none'
  const { data } = await rest.call('look at the repository', 'contents: read', async (octokit, at) =>
    octokit.rest.repos.get(at),
  )
  return data.private ? 'of private repositories only those of GitHub Enterprise Cloud have them' : undefined
}
