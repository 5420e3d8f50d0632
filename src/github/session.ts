import { resolve } from 'node:path'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import { type KeyUse, keyVariable } from '#feeds/keys/project-keys.ts'
import { findCell, listCells, planCells, runCell } from '#toolkit/cells.ts'
import { feedTarget } from '#toolkit/feed-target.ts'
import { withHeartbeat } from '#toolkit/heartbeat.ts'
import { installSnippet } from '#toolkit/publishing.ts'
import { type MadePackages, packagesMade, type Republishable, republish } from '#toolkit/republishing.ts'
import type { Workspace } from '#toolkit/workspace.ts'
import { openWorkspace } from '#toolkit/workspace.ts'
import type { CellRequest, Engine, PlanRequest, PublishRequest } from './engine-port.ts'

type Environment = Readonly<Record<string, string | undefined>>
type AnyRequest = Pick<PlanRequest | CellRequest | PublishRequest, 'projectDir' | 'report' | 'signal'>

/** The engine as the actions use it, over the toolkit: the same calls that the command line makes. */
export function session(env: Environment): Engine {
  const open = (request: AnyRequest, more: Environment = {}): Workspace =>
    openWorkspace({
      cwd: request.projectDir,
      project: request.projectDir,
      env: { ...env, ...more },
      offline: false,
      report: withHeartbeat(request.report),
      signal: request.signal ?? new AbortController().signal,
    })
  return {
    find: (request) => listCells(open(request), request.cells),
    async plan(request) {
      return { cells: await planCells(open(request), request.cells) }
    },
    async runCell({
      cell,
      trusted,
      through,
      remote,
      cacheKey,
      jobs,
      deadline,
      bootTimeout,
      feed,
      signs,
      memory,
      ...request
    }) {
      const workspace = open(request, cacheKey === undefined ? {} : { YOE_CACHE_SIGNING_KEY: cacheKey })
      const found = await findCell(workspace, cell)
      return runCell(workspace, found, { trusted, through, remote, jobs, deadline, bootTimeout, feed, signs, memory })
    },
    async publish({ feeds, to, url, keep, live, signingKey, apkSigningKey, apkPassphrase, ...request }) {
      const given = {
        ...(signingKey === undefined ? {} : { YOE_SIGNING_KEY: signingKey }),
        ...(apkSigningKey === undefined ? {} : { YOE_APK_SIGNING_KEY: apkSigningKey }),
        ...(apkPassphrase === undefined ? {} : { YOE_APK_SIGNING_PASSPHRASE: apkPassphrase }),
      }
      const made = await packagesMade(
        open(request, given),
        feeds.map((feed) => resolve(feed)),
      )
      const all = withKeys(made)
      const target = feedTarget(to, request.projectDir)
      const published = await republish(all, { to: target, url, keep, live })
      const address = published.url ?? 'https://FEED'
      return {
        dir: target.kind === 'directory' ? target.path : undefined,
        url: published.url,
        imported: published.imported,
        packages: published.packages,
        feeds: await Promise.all(
          all.map(async ({ publication, publisher, key }, index) => ({
            distro: publication.distro,
            tool: publisher.tool,
            packages: published.offered[index] ?? 0,
            keyring: await publisher.keyFile(publication.project.name, key),
            keyFingerprint: key.fingerprint,
            install: await installSnippet(publication, address, key),
          })),
        ),
      }
    },
  }
}

/** The input of actions/publish-feed for each key. */
const keyInputs: Readonly<Record<KeyUse, string>> = {
  feed: 'signing-key',
  apk: 'apk-signing-key',
  cache: 'cache-key',
}

/** @throws {YoeErrors} KEY_INVALID for each key that is missing: nothing was published by then */
function withKeys(made: readonly MadePackages[]): readonly Republishable[] {
  const all = made.flatMap(({ key, ...rest }) => (key === undefined ? [] : [{ ...rest, key }]))
  if (all.length === made.length) return all
  throw new YoeErrors(
    made.flatMap(({ key, keyUse, publication: { project, distro } }) => {
      if (key !== undefined) return []
      const message = `this run has packages for ${distro}, and no ${keyUse} key of ${project.name}: devices would trust none`
      return [
        new YoeError('KEY_INVALID', message, {
          hint: `yoe key generate ${keyUse} makes it; hand it to this step as \`${keyInputs[keyUse]}\`, from the secret ${keyVariable(keyUse)}`,
        }),
      ]
    }),
  )
}
