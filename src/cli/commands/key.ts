import { YoeError } from '#engine/errors.ts'
import type { Project } from '#engine/project/model.ts'
import { isDay } from '#engine/store/named-keys.ts'
import type { KeyOwner, KeyUse } from '#feeds/keys/project-keys.ts'
import { ensureKey, keyPath, keyVariable, loadKey } from '#feeds/keys/project-keys.ts'
import { command, projectOptions } from '../command.ts'
import type { Output } from '../output.ts'
import { table } from '../output.ts'
import { projectOf } from '../project.ts'

const uses: readonly KeyUse[] = ['feed', 'apk', 'cache']
const dayMs = 86_400_000

/** Devices are updated less often than caches are read. */
const overlapDays: Readonly<Record<KeyUse, number>> = { feed: 180, apk: 180, cache: 30 }

export const key = command({
  usage: 'key generate|show|export|rotate|revoke [feed|apk|cache] [KEY]',
  summary: 'make, show, replace and revoke the keys of a project',
  details: `A project has a key for each kind of package feed and one for its cache: "feed" signs feeds of apt (OpenPGP), "apk" those
of apk and the packages in them (RSA), "cache" signs cached results (Ed25519). They lie in $XDG_CONFIG_HOME/yoe/keys, never
in the project; in CI they come from YOE_SIGNING_KEY, YOE_APK_SIGNING_KEY and YOE_CACHE_SIGNING_KEY.

  yoe key generate        makes what is missing
  yoe key show            which keys there are, and what each is worth ("info" is the same)
  yoe key export cache    the public key: of the feed for devices, of the cache for the project's list
  yoe key rotate cache    makes another one; the old one is believed until a last day (--until)
  yoe key revoke cache 0f3a9c21    nothing that this key signed is believed any more`,
  options: {
    until: {
      type: 'string',
      value: 'DATE',
      help: `with rotate: the last day of the old key; default: in ${overlapDays.cache} days, of a feed ${overlapDays.feed}`,
    },
    'old-clients': {
      type: 'boolean',
      help: 'with generate apk: the key signs with SHA-1, too, for clients that know nothing else',
    },
    project: projectOptions.project,
    offline: projectOptions.offline,
  },
  positionals: [1, 3],
  completes: [
    ['generate', 'show', 'export', 'rotate', 'revoke'],
    ['feed', 'apk', 'cache'],
  ],
  async run(invocation) {
    const { output, positionals, env, values } = invocation
    const [verb = '', named, which] = positionals
    if (named !== undefined && !uses.some((use) => use === named))
      throw new YoeError('USAGE', `there is no key "${named}"`, { hint: `the keys are: ${uses.join(', ')}` })
    if (which !== undefined && verb !== 'revoke')
      throw new YoeError('USAGE', `yoe key ${verb} takes no "${which}"`, { hint: `yoe key ${verb} ${named}` })
    if (values.until !== undefined && verb !== 'rotate')
      throw new YoeError('USAGE', `yoe key ${verb} takes no --until`, { hint: 'yoe key rotate cache --until DATE' })
    if (values['old-clients'] === true && (verb !== 'generate' || named !== 'apk'))
      throw new YoeError('USAGE', '--old-clients is about keys of apk that are made', {
        hint: 'yoe key generate apk --old-clients',
      })
    const one = (): KeyUse => {
      const use = uses.find((each) => each === named)
      if (use !== undefined) return use
      throw new YoeError('USAGE', 'say which key', { hint: `yoe key ${verb} ${uses.join(', or ')}` })
    }
    const { workspace, project } = await projectOf(invocation)
    const { keyUsesOf } = await import('#toolkit/keys/uses.ts')
    const chosen = named === undefined ? await keyUsesOf(project) : [one()]
    const owner: KeyOwner = { project: project.name, projectRoot: workspace.root, env }
    switch (verb) {
      case 'generate':
        return generate(owner, chosen, output, values['old-clients'] === true)
      case 'show':
      case 'info':
        return show(owner, project, chosen, output)
      case 'export':
        return exportPublic(owner, one(), output)
      case 'rotate':
        return rotate(owner, project, one(), values.until, output)
      case 'revoke':
        return revoke(owner, project, one(), which, output)
      default:
        throw new YoeError('USAGE', `yoe key has no "${verb}"`, {
          hint: 'yoe key generate, show, export, rotate or revoke',
        })
    }
  },
})

async function generate(
  owner: KeyOwner,
  chosen: readonly KeyUse[],
  output: Output,
  forOldClients: boolean,
): Promise<number> {
  const rows: { use: KeyUse; fingerprint: string; created: boolean; path: string }[] = []
  for (const use of chosen) {
    const { key: made, created } = await ensureKey(owner, use, forOldClients)
    rows.push({ use, fingerprint: made.fingerprint, created, path: keyPath(owner, use) })
  }
  if (output.json) output.printJson(rows)
  else
    for (const line of table(
      rows.map(({ use, fingerprint, created, path }) => [use, fingerprint, created ? 'made' : 'was there', path]),
    ))
      output.print(line)
  return 0
}

async function show(owner: KeyOwner, project: Project, chosen: readonly KeyUse[], output: Output): Promise<number> {
  const { listKeys } = await import('#toolkit/keys/listing.ts')
  const listings = await Promise.all(chosen.map((use) => listKeys(owner, project, use)))
  if (output.json) {
    output.printJson(listings)
    return 0
  }
  const rows = listings.flatMap(({ use, fingerprint, path, keys }) => {
    const shown = keys.map((each) => [
      use,
      each.fingerprint,
      each.until === null || each.standing === 'retired' ? each.standing : `${each.standing} until ${each.until}`,
      each.at ?? path,
    ])
    return fingerprint === null ? [...shown, [use, 'none', 'yoe key generate makes it', path]] : shown
  })
  for (const line of table(rows)) output.print(line)
  return 0
}

async function exportPublic(owner: KeyOwner, use: KeyUse, output: Output): Promise<number> {
  const found = await loadKey(owner, use)
  if (found === undefined)
    throw new YoeError('KEY_INVALID', `this project has no ${use} key`, { hint: 'yoe key generate makes it' })
  if (output.json) output.printJson({ use, fingerprint: found.fingerprint, publicKey: found.publicKey.trim() })
  else output.print(found.publicKey.trim())
  return 0
}

async function rotate(
  owner: KeyOwner,
  project: Project,
  use: KeyUse,
  asked: string | undefined,
  output: Output,
): Promise<number> {
  const until = asked ?? new Date(Date.now() + overlapDays[use] * dayMs).toISOString().slice(0, 10)
  const end = isDay(until) ? Date.parse(`${until}T00:00:00Z`) + dayMs : Number.NaN
  if (!(end > Date.now()))
    throw new YoeError('USAGE', `--until ${until} is no day from today on`, { hint: 'such as --until 2030-12-31' })
  const secret = (path: string): string => `gh secret set ${keyVariable(use)} <${path}`
  if (use === 'cache') {
    const { rotateCacheKey } = await import('#toolkit/keys/cache-rotation.ts')
    const { fresh, old, list, path } = await rotateCacheKey(owner, project, until)
    const next = [`git commit -m "Another cache key" -- ${list}`, secret(path)]
    if (output.json)
      output.printJson({ use, fingerprint: fresh.id, replaces: [old.id], until: old.until ?? null, path, next })
    else {
      output.print(`${fresh.id} signs results from now on (${path})`)
      output.print(`${old.id} ${old.until === undefined ? 'is revoked' : `is believed until ${old.until}`} (${list})`)
      sayNext(output, next)
    }
    return 0
  }
  const { rotateFeedKey } = await import('#toolkit/keys/feed-rotation.ts')
  const { lastDay } = await import('#toolkit/keys/listing.ts')
  const { fresh, old, path } = await rotateFeedKey(owner, use, until)
  const next = [...(await namedAnew(project, use)), secret(path), 'yoe publish --to DIR']
  const replaces = old.filter(({ standing }) => standing === 'signs')
  if (output.json)
    output.printJson({ use, fingerprint: fresh, replaces: replaces.map((each) => each.fingerprint), until, path, next })
  else {
    output.print(`${fresh} signs the feed from now on (${path})`)
    for (const each of replaces)
      output.print(`${each.fingerprint} signs as well until ${each.ends === undefined ? until : lastDay(each.ends)}`)
    sayNext(output, next)
  }
  return 0
}

async function revoke(
  owner: KeyOwner,
  project: Project,
  use: KeyUse,
  which: string | undefined,
  output: Output,
): Promise<number> {
  if (which === undefined)
    throw new YoeError('USAGE', 'say which key is revoked', { hint: `yoe key show ${use} names them` })
  if (use === 'cache') {
    const { revokeCacheKey } = await import('#toolkit/keys/cache-rotation.ts')
    const { id, list, left } = await revokeCacheKey(project, which)
    const another = left.length === 0 ? ['yoe key rotate cache'] : []
    const next = [...another, `git commit -m "Revoke cache key ${id}" -- ${list}`]
    if (output.json) output.printJson({ use, revoked: id, next })
    else {
      output.print(`${id} is revoked (${list}): what it signed is built again`)
      if (left.length === 0) output.print('No key of this project is believed any more.')
      sayNext(output, next)
    }
    return 0
  }
  const { revokeFeedKey } = await import('#toolkit/keys/feed-rotation.ts')
  const { fingerprint, path } = await revokeFeedKey(owner, use, which)
  const secret = `gh secret set ${keyVariable(use)} <${path}`
  const next = [...(await namedAnew(project, use)), secret, 'yoe publish --to DIR']
  if (output.json) output.printJson({ use, revoked: fingerprint, next })
  else {
    output.print(`${fingerprint} is revoked (${path}): devices refuse it once they have the new keyring`)
    sayNext(output, next)
  }
  return 0
}

/** What brings the present keys of a feed into the file that names them to devices. */
async function namedAnew(project: Project, use: KeyUse): Promise<readonly string[]> {
  const { keyFilesOf } = await import('#toolkit/device-feed.ts')
  const [file] = await keyFilesOf(project, use)
  return file === undefined
    ? []
    : [`yoe key export ${use} >${file}`, `git commit -m "Another key of the feed" -- ${file}`]
}

function sayNext(output: Output, commands: readonly string[]): void {
  output.print()
  output.print('Next:')
  for (const line of commands) output.print(`  ${line}`)
}
