/** versitygw: a real S3 service over a folder. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './local-server.ts'
import { scratch } from './project.ts'
import { goProgram } from './tools.ts'

export interface TestBucket {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string
  readonly bucket: string
  readonly region: string
  /** The folder that holds the bucket's objects as files. */
  readonly folder: string
  /** What a program finds its credentials in. */
  readonly env: Readonly<Record<string, string>>
}

export const secret = 'a-Secret-that-nobody-may-see'

export async function testBucket(t: TestContext): Promise<TestBucket> {
  const { stop, ...bucket } = await startBucket(scratch(t))
  t.after(stop)
  return bucket
}

/** @param folder gets `buckets/`, in which each folder is a bucket */
export async function startBucket(folder: string): Promise<TestBucket & { readonly stop: () => Promise<void> }> {
  const root = join(folder, 'buckets')
  const first = join(root, 'team-cache')
  mkdirSync(first, { recursive: true })
  const port = await freePort()
  const child = spawn(goProgram('versitygw'), ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', root], {
    env: { ...process.env, ROOT_ACCESS_KEY: 'AKIATEST', ROOT_SECRET_KEY: secret },
    stdio: 'ignore',
  })
  const ended = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  const endpoint = `http://127.0.0.1:${port}`
  for (let tries = 0; (await fetch(endpoint).catch(() => undefined)) === undefined; tries++) {
    if (tries > 200) throw new Error('versitygw does not answer')
    await sleep(50)
  }
  const env = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: secret }
  return { endpoint, bucket: 'team-cache', region: 'us-east-1', folder: first, env, stop }
}
