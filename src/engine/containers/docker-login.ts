import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Who `docker login` (or podman's, or the action's) says we are at a registry: `user:secret`.
 *
 * @param registry with its port: `ghcr.io`
 * @returns undefined when nobody logged in there, or what keeps the secret does not give it
 */
export async function dockerLogin(registry: string, env: Environment): Promise<string | undefined> {
  const folder = env['DOCKER_CONFIG'] || join(env['HOME'] ?? homedir(), '.docker')
  const config = fields(parsed(await readFile(join(folder, 'config.json'), 'utf8').catch(() => '{}')))
  const names =
    registry === 'registry-1.docker.io'
      ? ['https://index.docker.io/v1/', 'docker.io']
      : [registry, `https://${registry}`]
  for (const name of names) {
    const helper = fields(config.get('credHelpers')).get(name) ?? config.get('credsStore')
    const found = typeof helper === 'string' ? await askHelper(helper, name, env) : undefined
    const auth = fields(fields(config.get('auths')).get(name)).get('auth')
    if (found !== undefined) return found
    if (typeof auth === 'string' && auth !== '') return Buffer.from(auth, 'base64').toString('utf8')
  }
  return undefined
}

/** @see docker-credential-helpers, the get command */
async function askHelper(helper: string, name: string, env: Environment): Promise<string | undefined> {
  if (!/^[\w.-]{1,100}$/.test(helper)) return undefined
  const child = spawn(`docker-credential-${helper}`, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], env: { ...env } })
  const failed = new Promise<undefined>((resolve) => child.once('error', () => resolve(undefined)))
  child.stdin.on('error', () => {})
  child.stdin.end(name)
  const answer = fields(parsed((await Promise.race([text(child.stdout), failed])) ?? '{}'))
  const [user, secret] = [answer.get('Username'), answer.get('Secret')]
  return typeof user === 'string' && typeof secret === 'string' ? `${user}:${secret}` : undefined
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

function fields(value: unknown): ReadonlyMap<string, unknown> {
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : [])
}
