/** Debian's docker-registry, and images put into it by its protocol. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './local-server.ts'
import { scratch } from './project.ts'

export interface TestRegistry {
  /** `127.0.0.1:PORT`, as names of its images begin. */
  readonly host: string
  /** Where it keeps everything. */
  readonly folder: string
  /** Puts bytes in; their digest. */
  blob(repository: string, bytes: Buffer): Promise<string>
  /** Puts an image of layers in, under a tag. @returns the manifest's digest, in hexadecimal */
  image(repository: string, tag: string, layers: readonly Buffer[], more?: ImageOptions): Promise<string>
  /** Puts a document in, under a tag or as it is. @returns its digest, in hexadecimal */
  manifest(repository: string, tag: string | undefined, document: object): Promise<string>
}

export interface ImageOptions {
  /** As Go calls it. */
  readonly architecture?: string
  readonly config?: object
  /** Digests of the unpacked layers, where they are not those of the layers. */
  readonly diffIds?: readonly string[]
}

export const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json'
const layerType = 'application/vnd.docker.image.rootfs.diff.tar.gzip'

/** @param auth lines of its configuration about who may read */
export async function testRegistry(t: TestContext, auth = ''): Promise<TestRegistry> {
  const folder = scratch(t)
  const port = await freePort()
  const config = join(folder, 'config.yml')
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${folder}/data}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:${port}"}\n${auth}`,
  )
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const host = `127.0.0.1:${port}`
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined)
    if (answer !== undefined) break
    if (tries > 200) throw new Error('docker-registry does not answer')
    await sleep(50)
  }
  return registryAt(host, join(folder, 'data'))
}

/** @param host of a registry that anybody may write to, or that takes any token */
function registryAt(host: string, folder: string): TestRegistry {
  const send = async (method: string, path: string, body?: Buffer, type = 'application/octet-stream') => {
    const answer = await fetch(new URL(path, `http://${host}/`), {
      method,
      headers: { 'content-type': type, authorization: 'Bearer writer' },
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
    })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return answer
  }
  const blob = async (repository: string, bytes: Buffer): Promise<string> => {
    const digest = sha256(bytes)
    const begun = await send('POST', `/v2/${repository}/blobs/uploads/`)
    const place = new URL(begun.headers.get('location') ?? '', `http://${host}/`)
    place.searchParams.set('digest', `sha256:${digest}`)
    await send('PUT', place.href, bytes)
    return digest
  }
  const manifest = async (repository: string, tag: string | undefined, document: object): Promise<string> => {
    const bytes = Buffer.from(JSON.stringify(document))
    const digest = sha256(bytes)
    const type = 'mediaType' in document ? String(document.mediaType) : manifestType
    await send('PUT', `/v2/${repository}/manifests/${tag ?? `sha256:${digest}`}`, bytes, type)
    return digest
  }
  return {
    host,
    folder,
    blob,
    manifest,
    async image(repository, tag, layers, { architecture = 'amd64', config = {}, diffIds } = {}) {
      const { gunzipSync } = await import('node:zlib')
      const ids = diffIds ?? layers.map((layer) => sha256(gunzipSync(layer)))
      const text = Buffer.from(
        JSON.stringify({
          architecture,
          os: 'linux',
          config,
          rootfs: { type: 'layers', diff_ids: ids.map((id) => `sha256:${id}`) },
        }),
      )
      const part = async (mediaType: string, bytes: Buffer) => ({
        mediaType,
        size: bytes.length,
        digest: `sha256:${await blob(repository, bytes)}`,
      })
      return manifest(repository, tag === '' ? undefined : tag, {
        schemaVersion: 2,
        mediaType: manifestType,
        config: await part('application/vnd.docker.container.image.v1+json', text),
        layers: await Promise.all(layers.map((layer) => part(layerType, layer))),
      })
    },
  }
}
