import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test from 'node:test'
import { credentialChain, profileOf } from '../../../../src/engine/store/remotes/aws-credentials.ts'
import { served } from '../../../support/local-server.ts'
import { scratch } from '../../../support/project.ts'

const document = { AccessKeyId: 'AK', SecretAccessKey: 'SK', Token: 'T' }
/** Where no machine of AWS answers. */
const nowhere = { AWS_EC2_METADATA_DISABLED: 'true' }

function home(folder: string, files: Readonly<Record<string, string>>): Record<string, string> {
  mkdirSync(join(folder, '.aws'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, '.aws', name), text)
  return { HOME: folder, PATH: process.env['PATH'] ?? '', ...nowhere }
}

test('credentials: variables come first, then the profile', async (t) => {
  const files = {
    credentials:
      '[default]\naws_access_key_id = FILE\naws_secret_access_key = S1\n\n[ci]\naws_access_key_id=CI\naws_secret_access_key=S2\naws_session_token = T2\n',
    config: '[default]\nregion = eu-west-1\n[profile ci]\nregion = eu-central-1\n',
  }
  const env = home(scratch(t), files)
  assert.deepEqual(await credentialChain(env)(), { accessKeyId: 'FILE', secretAccessKey: 'S1' })
  assert.deepEqual(await credentialChain({ ...env, AWS_PROFILE: 'ci' })(), {
    ...{ accessKeyId: 'CI', secretAccessKey: 'S2', sessionToken: 'T2' },
  })
  assert.equal((await profileOf({ ...env, AWS_PROFILE: 'ci' })).get('region'), 'eu-central-1')
  const variables = { AWS_ACCESS_KEY_ID: 'ENV', AWS_SECRET_ACCESS_KEY: 'S3' }
  assert.deepEqual(await credentialChain({ ...env, ...variables })(), { accessKeyId: 'ENV', secretAccessKey: 'S3' })
  assert.equal(await credentialChain({ HOME: '/nonexistent', ...nowhere })(), undefined)
})

test('credentials: the program of a profile; the aws command for what takes more; its failure tells no secret', async (t) => {
  const folder = scratch(t)
  const config = `[default]\ncredential_process = printf '%s' '${JSON.stringify({ Version: 1, ...document })}'\n[profile sso]\nsso_session = corp\n[profile bad]\ncredential_process = echo a-Secret; echo a-Secret >&2; exit 1\n`
  const env = home(folder, { config })
  assert.equal((await credentialChain(env)())?.accessKeyId, 'AK')
  writeFileSync(
    join(folder, 'aws'),
    `#!/bin/sh\n[ "$*" = "configure export-credentials --format process --profile sso" ] && echo '${JSON.stringify({ ...document, AccessKeyId: 'SSO' })}'\n`,
  )
  chmodSync(join(folder, 'aws'), 0o755)
  const withAws = { ...env, PATH: `${folder}:${env['PATH']}`, AWS_PROFILE: 'sso' }
  assert.equal((await credentialChain(withAws)())?.accessKeyId, 'SSO')
  await assert.rejects(credentialChain({ ...env, AWS_PROFILE: 'bad' })(), (failure: Error) => {
    assert.doesNotMatch(`${failure.message} ${failure.stack}`, /a-Secret\n/)
    return 'code' in failure && failure.code === 'FETCH_FAILED'
  })
})

test('credentials: a web identity, a container, a machine; fetched anew before they expire', async (t) => {
  const folder = scratch(t)
  let minutes = 60
  const asked: string[] = []
  const server = createServer((request, answer) => {
    asked.push(`${request.method} ${request.url}`)
    const expires = new Date(Date.now() + minutes * 60_000).toISOString()
    if (request.method === 'POST')
      answer.end(
        `<Credentials><AccessKeyId>WEB</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken><Expiration>${expires}</Expiration></Credentials>`,
      )
    else if (request.url === '/latest/api/token') answer.end('machine-token')
    else if (request.url === '/latest/meta-data/iam/security-credentials/') answer.end('role')
    else answer.end(JSON.stringify({ ...document, AccessKeyId: request.url, Expiration: expires }))
  })
  const at = await served(t, server)
  writeFileSync(join(folder, 'token'), 'identity')
  const base = { HOME: folder }
  const web = { AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'), AWS_ROLE_ARN: 'arn:x', AWS_ENDPOINT_URL_STS: at }
  assert.equal((await credentialChain({ ...base, ...web })())?.accessKeyId, 'WEB')
  const container = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${at}/container` }
  assert.equal((await credentialChain({ ...base, ...container })())?.accessKeyId, '/container')
  const find = credentialChain({ ...base, AWS_EC2_METADATA_SERVICE_ENDPOINT: at })
  const role = '/latest/meta-data/iam/security-credentials/role'
  const both = await Promise.all([find(), find()])
  assert.deepEqual(
    both.map((each) => each?.accessKeyId),
    [role, role],
  )
  await find()
  assert.equal(asked.filter((line) => line.endsWith('/role')).length, 1)
  minutes = 1
  const short = credentialChain({ ...base, AWS_EC2_METADATA_SERVICE_ENDPOINT: at })
  await short()
  await short()
  assert.equal(asked.filter((line) => line.endsWith('/role')).length, 4, 'what ends within five minutes is not kept')
})
