/** G5, C7, C9: whom a run believes, and whether it signs, by what the project names and who started it. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import type { Event } from '#engine/events.ts'
import type { Project } from '#engine/project/model.ts'
import type { Scope } from '#engine/store/manifest.ts'
import { distrust, seal } from '#engine/store/manifest.ts'
import { parseKeyFile } from '#engine/store/named-keys.ts'
import { type CacheSigner, generateCacheKey, parseCacheSigner } from '#engine/store/signing.ts'
import { contextOf } from '#github/context.ts'
import { cacheTrustOf } from '#toolkit/cache-trust.ts'
import { manifestOf } from '../engine/store/fixture.ts'

const [ours, other] = [generateCacheKey(), generateCacheKey()]
const id = (key: { readonly privateKey: string }): string => parseCacheSigner(key.privateKey).keyId
const signers: readonly (readonly [string, CacheSigner | undefined])[] = [
  ['ours', parseCacheSigner(ours.privateKey)],
  ['other', parseCacheSigner(other.privateKey)],
  ['nobody', undefined],
]

type Partly = Parameters<typeof cacheTrustOf>[0]

function planned(root: string, signing: string | undefined, env: Record<string, string>): Partly {
  // Of a plan, its name, its keys and the environment are looked at.
  const project: Pick<Project, 'name' | 'cache'> = {
    name: 'demo',
    cache: signing === undefined ? {} : { signing: parseKeyFile(signing, 'keys/cache.pub') },
  }
  return { project, workspace: { root, env: { HOME: root, ...env } } }
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'yoe-trust-'))
  t.after(() => rmSync(path, { recursive: true }))
  mkdirSync(join(path, 'project'))
  return path
}

interface Row {
  readonly name: string
  /** The project's list. */
  readonly list?: string
  /** YOE_CACHE_SIGNING_KEY. */
  readonly key?: { readonly privateKey: string }
  readonly scope?: Scope
  /** Whose entries are believed in a store that its host vouches for. */
  readonly believes: string
  readonly signs: boolean
  readonly told?: RegExp
}

const named = `${ours.publicKey}\n`
const rows: readonly Row[] = [
  { name: 'no list, no key', believes: 'ours other nobody', signs: false },
  { name: 'no list, a key', key: ours, believes: 'ours', signs: true },
  { name: 'no list, a fork', scope: 'untrusted', believes: 'ours other nobody', signs: false },
  { name: 'a list, no key', list: named, believes: 'ours', signs: false },
  { name: 'a list, its key', list: named, key: ours, believes: 'ours', signs: true },
  {
    name: 'a list, another key',
    list: named,
    key: other,
    believes: 'ours',
    signs: false,
    told: /cache key .* is not one that the project names \(keys\/cache\.pub:1\)/,
  },
  {
    name: 'a list of two, the older key',
    list: `${other.publicKey}\n${ours.publicKey} until=2099-01-01\n`,
    key: ours,
    believes: 'ours other',
    signs: true,
  },
  {
    name: 'a list, a retired key',
    list: `${other.publicKey}\n${ours.publicKey} until=2020-01-01\n`,
    key: ours,
    believes: 'other',
    signs: false,
    told: /cache key .* was retired on 2020-01-01 \(keys\/cache\.pub:2\)/,
  },
  {
    name: 'a list, a revoked key',
    list: `${other.publicKey}\n${ours.publicKey} revoked\n`,
    key: ours,
    believes: 'other',
    signs: false,
    told: /cache key .* is revoked/,
  },
  { name: 'a list, a fork', list: named, scope: 'untrusted', believes: 'ours', signs: false },
  {
    name: 'a list, its key in a run that anybody can start',
    list: named,
    key: ours,
    scope: 'untrusted',
    believes: 'ours',
    signs: false,
    told: /a run that anybody can start has the cache's private key/,
  },
  {
    name: 'no list, a key in a run that anybody can start',
    key: ours,
    scope: 'untrusted',
    believes: 'ours',
    signs: false,
    told: /anybody can start/,
  },
]

for (const { name, list, key, scope = 'trusted', believes, signs, told } of rows) {
  test(`${name}: believes ${believes}, ${signs ? 'signs' : 'does not sign'}`, async (t) => {
    const root = folder(t)
    const events: Event[] = []
    const env: Record<string, string> = key === undefined ? {} : { YOE_CACHE_SIGNING_KEY: key.privateKey }
    const { trust, signer } = await cacheTrustOf(planned(root, list, env), scope, (event) => events.push(event))
    const manifest = manifestOf({})
    const believed = signers.filter(([, by]) => distrust(seal(manifest, 'trusted', by), trust) === undefined)
    assert.equal(believed.map(([who]) => who).join(' '), believes)
    assert.equal(signer !== undefined, signs)
    const warnings = events.flatMap((event) => (event.type === 'warning' ? [`${event.message} ${event.hint}`] : []))
    assert.equal(warnings.length, told === undefined ? 0 : 1)
    if (told !== undefined) assert.match(warnings[0] ?? '', told)
    assert.ok(!JSON.stringify(events).includes((key ?? ours).privateKey.slice(20)))
  })
}

test('what is revoked is known for the local store', async (t) => {
  const { revoked } = await cacheTrustOf(
    planned(folder(t), `${named}${other.publicKey} revoked\n`, {}),
    'trusted',
    () => {},
  )
  assert.deepEqual([...revoked], [id(other)])
})

describe('G5: events that somebody without rights can cause', () => {
  const repository = { full_name: 'octo/widgets', default_branch: 'main' }
  const fork = { base: { repo: repository }, head: { repo: { full_name: 'mallory/widgets' } } }
  const events = [
    ...['pull_request', 'pull_request_target', 'pull_request_review', 'pull_request_review_comment'],
    ...['workflow_run', 'issue_comment', 'issues', 'discussion', 'discussion_comment', 'fork', 'watch', 'gollum'],
    ...['check_run', 'check_suite', 'status', 'deployment', 'deployment_status', 'page_build', 'registry_package'],
    ...['an_event_of_next_year', ''],
  ]
  for (const event of events) {
    test(`${event || 'no event'}: reads, neither writes nor signs nor publishes, also where a workflow hands it the key`, async (t) => {
      const env = { GITHUB_EVENT_NAME: event, GITHUB_REF: 'refs/heads/main', GITHUB_REPOSITORY: 'octo/widgets' }
      const context = contextOf(env, { repository, pull_request: fork })
      assert.notEqual(context.readOnly, undefined)
      assert.equal(context.mayPublish, false)
      // As the action asks for it.
      const scope: Scope = context.readOnly === undefined ? 'trusted' : 'untrusted'
      const key = { YOE_CACHE_SIGNING_KEY: ours.privateKey }
      const { signer, trust } = await cacheTrustOf(planned(folder(t), named, key), scope, () => {})
      assert.equal(signer, undefined)
      const reads = seal(manifestOf({}), 'trusted', parseCacheSigner(ours.privateKey))
      assert.equal(distrust(reads, trust), undefined)
    })
  }

  for (const event of ['push', 'schedule', 'workflow_dispatch', 'repository_dispatch', 'release', 'merge_group']) {
    test(`the control: ${event} of the default branch writes and signs`, async (t) => {
      const env = { GITHUB_EVENT_NAME: event, GITHUB_REF: 'refs/heads/main', GITHUB_REPOSITORY: 'octo/widgets' }
      assert.equal(contextOf(env, { repository }).readOnly, undefined)
      const key = { YOE_CACHE_SIGNING_KEY: ours.privateKey }
      const { signer } = await cacheTrustOf(planned(folder(t), named, key), 'trusted', () => {})
      assert.equal(signer?.keyId, id(ours))
    })
  }
})

const exposed: Readonly<Record<string, readonly [where: string, mode: number, want: RegExp]>> = {
  'that others may read': ['cache.key', 0o644, /other users of this machine may read the key/],
  'that a group may read': ['cache.key', 0o640, /other users of this machine may read the key/],
  'inside the project': ['project/cache.key', 0o600, /lies inside the project/],
}
for (const [what, [where, mode, want]] of Object.entries(exposed)) {
  test(`C9: a key ${what} is refused before anything is built`, async (t) => {
    const root = folder(t)
    const path = join(root, where)
    writeFileSync(path, ours.privateKey)
    chmodSync(path, mode)
    const plan = planned(join(root, 'project'), named, { YOE_CACHE_SIGNING_KEY: path })
    await assert.rejects(
      cacheTrustOf(plan, 'trusted', () => {}),
      (failure) => {
        assert.ok(failure instanceof YoeError && failure.code === 'KEY_INVALID')
        assert.match(failure.message, want)
        return !`${failure.message}${failure.hint}`.includes(ours.privateKey.slice(20))
      },
    )
  })
}
