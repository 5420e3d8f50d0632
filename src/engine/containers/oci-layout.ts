import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'
import type { Arch } from '../arch.ts'
import { readZstd } from '../image/zstd.ts'
import { type ImageSettings, mediaTypes, platformOf } from './manifest.ts'

export interface ExportImage {
  /** A root file system as a zstd tar. */
  readonly root: string
  readonly arch: Arch
  readonly settings: ImageSettings
  /** What the image is called where it is loaded: `yoe/toolchain:13`. */
  readonly name: string
  /** Seconds since 1970: when it says that it was made. */
  readonly sourceDateEpoch: number
  /** File to be written. */
  readonly output: string
  readonly signal?: AbortSignal | undefined
}

interface Blob {
  readonly sha256: string
  readonly size: number
}

const usualPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Writes a root file system as an image with one layer: a tar that is an OCI layout and, by its manifest.json, what
 * `docker load` takes, too. Same root, same bytes: nothing in it is compressed, and every time is the epoch.
 *
 * @see OCI image specification, image-layout; Docker image specification 1.2, Combined Image JSON
 */
export async function exportImage(input: ExportImage): Promise<void> {
  const { arch, settings, name, sourceDateEpoch, output, signal } = input
  const layer = await blobOf(readZstd(input.root))
  const created = new Date(sourceDateEpoch * 1000).toISOString().replace('.000Z', 'Z')
  const [os = '', architecture = ''] = platformOf(arch).split('/')
  const config = document({
    created,
    architecture,
    os,
    ...(arch === 'arm64' ? { variant: 'v8' } : {}),
    config: {
      Env: settings.env.some((line) => line.startsWith('PATH=')) ? settings.env : [usualPath, ...settings.env],
      Cmd: settings.cmd.length === 0 && settings.entrypoint.length === 0 ? ['/bin/sh'] : settings.cmd,
      ...(settings.entrypoint.length === 0 ? {} : { Entrypoint: settings.entrypoint }),
      ...(settings.workingDir === '' ? {} : { WorkingDir: settings.workingDir }),
      ...(settings.user === '' ? {} : { User: settings.user }),
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer.sha256}`] },
    history: [{ created, created_by: 'yoe container export' }],
  })
  const manifest = document({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: [descriptor('application/vnd.oci.image.layer.v1.tar', layer)],
  })
  const index = document({
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [
      {
        ...descriptor(mediaTypes.ociManifest, manifest),
        platform: { architecture, os, ...(arch === 'arm64' ? { variant: 'v8' } : {}) },
        annotations: { 'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1) },
      },
    ],
  })
  const forDocker = document([{ Config: place(config), RepoTags: [name], Layers: [place(layer)] }])

  const tar = pack()
  const header = { mode: 0o644, uid: 0, gid: 0, mtime: new Date(sourceDateEpoch * 1000) }
  const add = (path: string, content: Buffer | string): unknown => tar.entry({ ...header, name: path }, content)
  const fill = async (): Promise<void> => {
    add('oci-layout', '{"imageLayoutVersion":"1.0.0"}')
    add('index.json', index.bytes)
    add('manifest.json', forDocker.bytes)
    for (const blob of [config, manifest]) add(place(blob), blob.bytes)
    const entry = tar.entry({ ...header, name: place(layer), size: layer.size })
    for await (const chunk of readZstd(input.root)) if (!entry.write(chunk)) await once(entry, 'drain')
    entry.end(undefined)
    tar.finalize()
  }
  const writing = pipeline(
    tar,
    createWriteStream(output, { mode: 0o644 }),
    ...(signal === undefined ? [] : [{ signal }]),
  )
  await Promise.all([writing, fill().catch((failure: Error) => void tar.destroy(failure))])
}

const place = ({ sha256 }: Blob): string => `blobs/sha256/${sha256}`

const descriptor = (mediaType: string, { sha256, size }: Blob) => ({ mediaType, digest: `sha256:${sha256}`, size })

function document(value: unknown): Blob & { readonly bytes: Buffer } {
  const bytes = Buffer.from(JSON.stringify(value))
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length }
}

async function blobOf(content: AsyncIterable<Uint8Array>): Promise<Blob> {
  const sum = createHash('sha256')
  let size = 0
  for await (const chunk of content) {
    sum.update(chunk)
    size += chunk.length
  }
  return { sha256: sum.digest('hex'), size }
}
