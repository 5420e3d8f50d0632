import { copyFile, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Artifacts } from './artifacts.ts'
import { notAttestable } from './attestable.ts'
import type { Host } from './host.ts'
import { type GetInput, numberInput } from './inputs.ts'
import { makeRelease } from './release.ts'
import { checksumsFile, collectImages } from './release-files.ts'
import { Releases } from './releases.ts'
import type { ActionsReporter } from './reporter.ts'
import { GitHubRest } from './rest.ts'
import { link } from './summary.ts'

export interface ReleaseInputs {
  /** `nightly`, a tag, or undefined: no release. */
  readonly wanted: string | undefined
  /** Nightly releases that stay. */
  readonly keep: number
  readonly token: string
}

/** Of the names that git takes for a tag those that need no quoting anywhere. */
const tagPattern = /^(?!.*(?:\.\.|\.lock$|[./]$|\/\/|\/\.))[A-Za-z0-9][\w.+/-]{0,199}$/

/** @throws {YoeError} USAGE */
export function releaseInputs(get: GetInput): ReleaseInputs {
  const wanted = get('release').trim()
  if (wanted !== '' && !tagPattern.test(wanted))
    throw new YoeError('USAGE', `the input release is ${JSON.stringify(wanted.slice(0, 80))}; it must name a tag`, {
      hint: 'write `release: nightly`, or a tag such as `v1.2.0`',
    })
  return {
    wanted: wanted === '' ? undefined : wanted,
    keep: numberInput((name) => get(name).trim() || '7', 'keep-releases', { min: 1, max: 1000 }) ?? 7,
    token: get('github-token'),
  }
}

/** Releases the images of this run as far as asked for, and tells where. @param folder for files that go afterwards */
export async function releaseImages(
  host: Host,
  { wanted, keep, token }: ReleaseInputs,
  artifacts: Artifacts,
  reporter: ActionsReporter,
  { project, folder }: { readonly project: string; readonly folder: string },
): Promise<void> {
  const { context, env, signal } = host
  if (wanted === undefined) {
    host.output('release-url', '')
    host.output('checksums', '')
    host.output('attestable', 'false')
    return
  }
  if (token === '')
    throw new YoeError('PUBLISH_FAILED', 'a release needs a token', { hint: 'leave `github-token:` at its default' })
  const inside = await mkdtemp(join(folder, 'release-'))
  const images = await collectImages(artifacts, inside, context, Date.now())
  const rest = new GitHubRest({ ...context, token })
  const unattested = await notAttestable(rest, context)
  const { tag, url } = await makeRelease({
    releases: new Releases(rest),
    ...{ context, wanted, keep, project, images, signal },
    run: Number(env['GITHUB_RUN_ID'] ?? 0),
    folder: inside,
    tell: (line) => reporter.line(line),
  })
  // Outlives this step: GitHub's own action attests what it names.
  const sums = join(env['RUNNER_TEMP'] ?? tmpdir(), 'yoe-SHA256SUMS')
  await copyFile(join(inside, checksumsFile), sums)
  host.output('checksums', sums)
  host.output('attestable', String(unattested === undefined))
  if (unattested !== undefined) reporter.notice(`No attestation of provenance: ${unattested}.`)
  host.output('release-url', url)
  host.summary(`\n### Release\n\n${link(tag, url)}, ${images.length} images\n`)
}
