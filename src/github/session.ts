import { resolve } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { findCell, listCells, planCells, runCell } from '#toolkit/cells.ts'
import { feedTarget } from '#toolkit/feed-target.ts'
import { withHeartbeat } from '#toolkit/heartbeat.ts'
import { makePlan } from '#toolkit/planning.ts'
import { feedKeyOrThrowaway, installSnippet, republish } from '#toolkit/publishing.ts'
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
    async publish({ feeds, to, url, keep, live, signingKey, ...request }) {
      const workspace = open(request, feedKeysIn(signingKey))
      const plan = await makePlan(workspace, { machine: undefined, distro: undefined, targets: [] })
      const { key, throwaway } = await feedKeyOrThrowaway(plan)
      if (throwaway)
        throw new YoeError(
          'KEY_INVALID',
          `this run has no feed key of ${plan.project.name}: devices would trust none`,
          {
            hint: 'yoe key generate makes it; hand it to this step as `signing-key`, from a secret',
          },
        )
      const target = feedTarget(to, request.projectDir)
      const folders = feeds.map((feed) => resolve(feed))
      const published = await republish(plan, folders, key, { to: target, url, keep, live })
      return {
        dir: target.kind === 'directory' ? target.path : undefined,
        url: published.url,
        keyring: `${plan.project.name}.gpg`,
        imported: published.imported,
        packages: published.packages,
        keyFingerprint: published.fingerprint,
        install: await installSnippet(plan, published.url ?? 'https://FEED', key),
      }
    },
  }
}

/** An input holds the keys of feeds, one after the other: OpenPGP for apt, RSA for apk. */
function feedKeysIn(text: string | undefined): Readonly<Record<string, string>> {
  if (text === undefined) return {}
  const isForApk = /-----BEGIN (?!PGP)[A-Z ]*PRIVATE KEY-----/.test(text)
  return {
    ...(isForApk && !text.includes('BEGIN PGP') ? {} : { YOE_SIGNING_KEY: text }),
    ...(isForApk ? { YOE_APK_SIGNING_KEY: text } : {}),
  }
}
