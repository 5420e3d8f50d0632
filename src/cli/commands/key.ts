import { YoeError } from '#engine/errors.ts'
import type { KeyOwner, KeyUse } from '#feeds/keys/project-keys.ts'
import { ensureKey, keyPath, loadKey } from '#feeds/keys/project-keys.ts'
import { command, projectOptions } from '../command.ts'
import { projectOf } from '../project.ts'

const uses: readonly KeyUse[] = ['feed', 'cache']

export const key = command({
  usage: 'key generate|show|export [feed|cache]',
  summary: 'make and show the keys of a project',
  details: `A project has two keys: "feed" signs package feeds (OpenPGP), "cache" signs cached results (Ed25519). They lie in
$XDG_CONFIG_HOME/yoe/keys, never in the project; in CI they come from YOE_SIGNING_KEY and YOE_CACHE_SIGNING_KEY.

  yoe key generate        makes what is missing
  yoe key show            fingerprints, and where the keys are
  yoe key export feed     the public key, for devices`,
  options: { project: projectOptions.project, offline: projectOptions.offline },
  positionals: [1, 2],
  completes: [
    ['generate', 'show', 'export'],
    ['feed', 'cache'],
  ],
  async run(invocation) {
    const { output, positionals, env } = invocation
    const [verb = '', named] = positionals
    const chosen = uses.filter((use) => named === undefined || use === named)
    if (chosen.length === 0)
      throw new YoeError('USAGE', `there is no key "${named}"`, { hint: 'the keys are: feed, cache' })
    const { workspace, project } = await projectOf(invocation)
    const owner: KeyOwner = { project: project.name, projectRoot: workspace.root, env }
    switch (verb) {
      case 'generate': {
        const rows: { use: KeyUse; fingerprint: string; created: boolean; path: string }[] = []
        for (const use of chosen) {
          const { key: made, created } = await ensureKey(owner, use)
          rows.push({ use, fingerprint: made.fingerprint, created, path: keyPath(owner, use) })
        }
        if (output.json) output.printJson(rows)
        else
          for (const { use, fingerprint, created, path } of rows)
            output.print(`${use}  ${fingerprint}  ${created ? 'made' : 'was there'}  ${path}`)
        return 0
      }
      case 'show': {
        const found = await Promise.all(chosen.map(async (use) => ({ use, key: await loadKey(owner, use) })))
        const rows = found.map((entry) => ({
          use: entry.use,
          fingerprint: entry.key?.fingerprint ?? null,
          path: keyPath(owner, entry.use),
        }))
        if (output.json) output.printJson(rows)
        else
          for (const entry of rows)
            output.print(`${entry.use}  ${entry.fingerprint ?? 'none; yoe key generate makes it'}  ${entry.path}`)
        return 0
      }
      case 'export': {
        const [use] = chosen
        const found = named === undefined || use === undefined ? undefined : await loadKey(owner, use)
        if (found === undefined) {
          throw new YoeError(
            named === undefined ? 'USAGE' : 'KEY_INVALID',
            named === undefined ? 'say which key' : `this project has no ${named} key`,
            {
              hint: named === undefined ? 'yoe key export feed' : 'yoe key generate makes it',
            },
          )
        }
        if (output.json) output.printJson({ use, fingerprint: found.fingerprint, publicKey: found.publicKey.trim() })
        else output.print(found.publicKey.trim())
        return 0
      }
      default:
        throw new YoeError('USAGE', `yoe key has no "${verb}"`, { hint: 'yoe key generate, show or export' })
    }
  },
})
