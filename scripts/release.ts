/**
 * Makes and publishes a release: what .github/workflows/release.yml does, and what anybody can do again to compare.
 *
 *   node scripts/release.ts assemble v1.2.3 [--repository OWNER/REPO] [--out FOLDER]
 *   node scripts/release.ts publish [--out FOLDER]   pushes the tags and makes the GitHub release (GITHUB_TOKEN)
 *   node scripts/release.ts npm [--out FOLDER]       publishes the npm package
 */
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { userErrors, YoeError } from '#engine/errors.ts'
import { Releases } from '#github/releases.ts'
import { GitHubRest } from '#github/rest.ts'
import { assemble } from './release/assemble.ts'
import { publishToNpm } from './release/npm.ts'
import { publish } from './release/publish.ts'
import { parseVersion } from './release/version.ts'

const root = resolve(import.meta.dirname, '..')
const tell = (line: string): void => console.log(line)

try {
  await main()
} catch (failure) {
  const errors = userErrors(failure)
  if (errors === undefined) throw failure
  for (const { message, hint } of errors) console.error(`error: ${message}${hint === undefined ? '' : `\n  ${hint}`}`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { repository: { type: 'string' }, out: { type: 'string', default: join(root, '.tools', 'release') } },
    allowPositionals: true,
  })
  const [command, version = ''] = positionals
  const out = resolve(values.out)
  const { env } = process
  if (command === 'assemble') {
    const repository = values.repository ?? env['GITHUB_REPOSITORY'] ?? ''
    if (!/^[\w.-]+\/[\w.-]+$/.test(repository))
      throw new YoeError('USAGE', 'whose actions these are is not said', { hint: 'add --repository OWNER/REPO' })
    const { commit } = assemble(root, parseVersion(version), repository, out)
    tell(`${version} is the commit ${commit}, made by Node ${process.versions.node}; its files are in ${out}`)
  } else if (command === 'publish') await publish({ ...(await onGitHub(env)), root, from: out, tell })
  else if (command === 'npm') publishToNpm(root, out, env, tell)
  else throw new YoeError('USAGE', 'usage: node scripts/release.ts assemble VERSION | publish | npm [--out FOLDER]')
}

/** The repository of this job. The token goes to git by its environment: arguments can be seen by others. */
async function onGitHub(env: NodeJS.ProcessEnv) {
  const [owner = '', repo = ''] = (env['GITHUB_REPOSITORY'] ?? '').split('/')
  const server = env['GITHUB_SERVER_URL'] ?? 'https://github.com'
  const token = env['GITHUB_TOKEN'] ?? ''
  if (repo === '' || token === '')
    throw new YoeError('USAGE', 'GITHUB_REPOSITORY and GITHUB_TOKEN say where to, and by whose right')
  const credentials = Buffer.from(`x-access-token:${token}`).toString('base64')
  const remote = {
    url: `${server}/${owner}/${repo}.git`,
    env: {
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `http.${server}/.extraheader`,
      GIT_CONFIG_VALUE_0: `AUTHORIZATION: basic ${credentials}`,
      GIT_TERMINAL_PROMPT: '0',
    },
  }
  const apiUrl = env['GITHUB_API_URL'] ?? 'https://api.github.com'
  return { remote, releases: new Releases(new GitHubRest({ owner, repo, token, apiUrl })) }
}
