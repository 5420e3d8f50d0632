import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { parts } from './assemble.ts'
import type { ReleaseRecord } from './pack.ts'
import { parseVersion } from './version.ts'

/** The first npm that publishes by the identity of a job. */
const oldestNpm = [11, 5, 1] as const

/**
 * Publishes the npm package, unless the registry has this very one. Who may is told by the identity of the job (trusted
 * publishing): there is no token to keep, and npm adds the provenance.
 *
 * @param root the sources
 * @param from what `assemble` left
 * @param env `NPM_PUBLISH` is `true` where the registry knows this workflow
 * @throws {YoeError} PUBLISH_FAILED
 */
export function publishToNpm(root: string, from: string, env: NodeJS.ProcessEnv, tell: (line: string) => void): void {
  const record: ReleaseRecord = JSON.parse(readFileSync(join(from, parts.record), 'utf8'))
  const { number, prerelease } = parseVersion(record.version)
  if (env['NPM_PUBLISH'] !== 'true') {
    tell(
      '::notice title=Not published to npm::The variable NPM_PUBLISH of this repository is not "true": docs/releasing.md says how to make the registry trust this workflow',
    )
    return
  }
  const npm = execFileSync('npm', ['--version'], { env, encoding: 'utf8' }).trim()
  if (isOlder(npm))
    throw new YoeError('PUBLISH_FAILED', `npm ${npm} can't publish by the identity of a job`, {
      hint: `bring npm ${oldestNpm.join('.')} or newer, as Node 24 does`,
    })
  const assets = join(from, 'assets')
  const tarball = readdirSync(assets).find((name) => name.endsWith('.tgz'))
  if (tarball === undefined) throw new YoeError('PUBLISH_FAILED', 'the release has no npm package')
  const path = join(assets, tarball)
  const { name }: { readonly name?: string } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

  const view = ['view', `${name}@${number}`, 'dist.integrity', '--json']
  const { stdout } = spawnSync('npm', view, { env, encoding: 'utf8' })
  const there = /"(sha512-[^"]+)"/.exec(stdout)?.[1]
  const mine = `sha512-${createHash('sha512').update(readFileSync(path)).digest('base64')}`
  if (there === mine) {
    tell(`npm has ${name} ${number} already`)
    return
  }
  if (there !== undefined)
    throw new YoeError('PUBLISH_FAILED', `npm has another ${name} ${number}`, {
      hint: 'what is published stays as it is: release the next version',
    })
  const { status } = spawnSync(
    'npm',
    ['publish', path, '--access', 'public', '--tag', prerelease ? 'next' : 'latest'],
    {
      env,
      stdio: 'inherit',
    },
  )
  if (status !== 0)
    throw new YoeError('PUBLISH_FAILED', `npm could not publish ${name} ${number}`, {
      hint: 'what it needs is in docs/releasing.md',
    })
  tell(`npm has ${name} ${number}`)
}

function isOlder(version: string): boolean {
  const parts = version.split('.').map(Number)
  const at = oldestNpm.findIndex((part, index) => part !== parts[index])
  return at >= 0 && (parts[at] ?? 0) < (oldestNpm[at] ?? 0)
}
