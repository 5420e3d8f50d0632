import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { YoeError } from '../../errors.ts'
import { Exchange } from '../../source/exchange.ts'

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** Milliseconds since 1970; undefined: they last. */
  readonly expires?: number
}

/** What signs requests now; undefined: nothing does, and the bucket must be open to all. */
export type FindCredentials = () => Promise<Credentials | undefined>

type Environment = Readonly<Record<string, string | undefined>>

/** How long before their end credentials are fetched anew. */
const aheadMs = 5 * 60_000

/**
 * The chain that AWS's own tools go through: variables, the profile's files and program, a web identity, the container's or
 * the machine's role. Found once, and again before they expire.
 *
 * @see AWS SDKs and Tools Reference Guide, Standardized credential providers
 */
export function credentialChain(env: Environment): FindCredentials {
  let found: Promise<Credentials | undefined> | undefined
  return async () => {
    found ??= search(env)
    const current = found
    const known = await current
    if ((known?.expires ?? Number.POSITIVE_INFINITY) - aheadMs > Date.now()) return known
    if (found === current) found = search(env)
    return found
  }
}

async function search(env: Environment): Promise<Credentials | undefined> {
  for (const look of [fromVariables, fromProfile, fromWebIdentity, fromContainer, fromMachine]) {
    const found = await look(env)
    if (found !== undefined) return found
  }
  return undefined
}

async function fromVariables(env: Environment): Promise<Credentials | undefined> {
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = env
  if (accessKeyId === '' || secretAccessKey === '') return undefined
  const { AWS_SESSION_TOKEN: sessionToken = '' } = env
  return { accessKeyId, secretAccessKey, ...(sessionToken === '' ? {} : { sessionToken }) }
}

async function fromProfile(env: Environment): Promise<Credentials | undefined> {
  const profile = await profileOf(env)
  const accessKeyId = profile.get('aws_access_key_id') ?? ''
  const secretAccessKey = profile.get('aws_secret_access_key') ?? ''
  const sessionToken = profile.get('aws_session_token') ?? ''
  if (accessKeyId !== '' && secretAccessKey !== '')
    return { accessKeyId, secretAccessKey, ...(sessionToken === '' ? {} : { sessionToken }) }
  const program =
    profile.get('credential_process') ??
    (profile.has('sso_session') || profile.has('sso_start_url') || profile.has('role_arn') ? exporting(env) : '')
  if (program === '') return undefined
  try {
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', program], { timeout: 60_000, env: { ...env } })
    return readDocument(stdout)
  } catch {
    // What it printed may hold the very credentials.
    throw new YoeError('FETCH_FAILED', `the credentials of profile ${profileName(env)} could not be had`, {
      hint: `this must work: ${program}`,
    })
  }
}

/** What AWS's own command makes of a profile that takes more than its file: roles, single sign-on. */
function exporting(env: Environment): string {
  return `aws configure export-credentials --format process --profile '${profileName(env).replaceAll("'", '')}'`
}

function profileName(env: Environment): string {
  return env['AWS_PROFILE'] || 'default'
}

/** What the two files of AWS's tools say of the profile, the one with the credentials first. */
export async function profileOf(env: Environment): Promise<ReadonlyMap<string, string>> {
  const folder = join(env['HOME'] ?? homedir(), '.aws')
  const name = profileName(env)
  const config = await section(env['AWS_CONFIG_FILE'] ?? join(folder, 'config'), [`profile ${name}`, name])
  const keys = await section(env['AWS_SHARED_CREDENTIALS_FILE'] ?? join(folder, 'credentials'), [name])
  return new Map([...config, ...keys])
}

async function section(path: string, titles: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const found = new Map<string, string>()
  let inside = false
  for (const line of text.split(/\r?\n/)) {
    const title = /^\s*\[\s*(.+?)\s*\]/.exec(line)?.[1]
    if (title !== undefined) inside = titles.includes(title)
    const [, key, value] = /^(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (inside && key !== undefined && value !== undefined) found.set(key.toLowerCase(), value)
  }
  return found
}

async function fromWebIdentity(env: Environment): Promise<Credentials | undefined> {
  const { AWS_WEB_IDENTITY_TOKEN_FILE: file = '', AWS_ROLE_ARN: role = '' } = env
  if (file === '' || role === '') return undefined
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? 'us-east-1'
  const endpoint = env['AWS_ENDPOINT_URL_STS'] ?? `https://sts.${region}.amazonaws.com`
  const body = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: env['AWS_ROLE_SESSION_NAME'] ?? 'yoe',
    WebIdentityToken: (await readFile(file, 'utf8').catch(() => '')).trim(),
  })
  const { status, text } = await new Exchange().ask({
    ...{ method: 'POST', url: `${endpoint}/`, body: body.toString() },
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  const field = (name: string): string => new RegExp(`<${name}>([^<]{1,8000})</${name}>`).exec(text)?.[1] ?? ''
  if (status !== 200)
    throw new YoeError('FETCH_FAILED', `the role of AWS_ROLE_ARN could not be taken: HTTP ${status} (${field('Code')})`)
  return {
    ...{ accessKeyId: field('AccessKeyId'), secretAccessKey: field('SecretAccessKey') },
    ...{ sessionToken: field('SessionToken'), expires: Date.parse(field('Expiration')) },
  }
}

/** The task's role, where a container runs at AWS. */
async function fromContainer(env: Environment): Promise<Credentials | undefined> {
  const relative = env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'] ?? ''
  const url = relative === '' ? (env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '') : `http://169.254.170.2${relative}`
  if (!URL.canParse(url)) return undefined
  const file = env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'] ?? ''
  const token = file === '' ? env['AWS_CONTAINER_AUTHORIZATION_TOKEN'] : await readFile(file, 'utf8').catch(() => '')
  const headers = token === undefined ? {} : { authorization: token.trim() }
  const { status, text } = await new Exchange({ direct: true }).ask({ method: 'GET', url, headers })
  return status === 200 ? readDocument(text) : undefined
}

/** The role of a machine at AWS, which answers at once or is none. */
async function fromMachine(env: Environment): Promise<Credentials | undefined> {
  if (env['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true') return undefined
  const base = env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ?? 'http://169.254.169.254'
  const near = new Exchange({ direct: true, limits: { connect: 1_000, header: 1_000, retries: 0 } })
  try {
    const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '300' }
    const token = await near.ask({ method: 'PUT', url: `${base}/latest/api/token`, headers: ttl })
    if (token.status !== 200) return undefined
    const headers = { 'x-aws-ec2-metadata-token': token.text }
    const roles = `${base}/latest/meta-data/iam/security-credentials/`
    const role = await near.ask({ method: 'GET', url: roles, headers })
    if (role.status !== 200) return undefined
    const answer = await near.ask({ method: 'GET', url: new URL(role.text.trim(), roles).href, headers })
    return answer.status === 200 ? readDocument(answer.text) : undefined
  } catch (failure) {
    if (failure instanceof YoeError && failure.code === 'FETCH_FAILED') return undefined
    throw failure
  }
}

/** The form that programs, containers and machines answer in. */
function readDocument(text: string): Credentials | undefined {
  const document: unknown = JSON.parse(text)
  if (typeof document !== 'object' || document === null) return undefined
  const fields = new Map<string, unknown>(Object.entries(document))
  const [accessKeyId, secretAccessKey] = [fields.get('AccessKeyId'), fields.get('SecretAccessKey')]
  const sessionToken = fields.get('SessionToken') ?? fields.get('Token')
  const expires = Date.parse(String(fields.get('Expiration')))
  if (typeof accessKeyId !== 'string' || typeof secretAccessKey !== 'string') return undefined
  return {
    ...{ accessKeyId, secretAccessKey },
    ...(typeof sessionToken === 'string' ? { sessionToken } : {}),
    ...(Number.isNaN(expires) ? {} : { expires }),
  }
}
