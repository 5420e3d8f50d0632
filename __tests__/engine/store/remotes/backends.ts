/** Every kind of shared cache over a real server, and the files behind it. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Exchange, type ExchangeOptions } from '../../../../src/engine/source/exchange.ts'
import type { RemoteStore } from '../../../../src/engine/store/remote.ts'
import { credentialChain } from '../../../../src/engine/store/remotes/aws-credentials.ts'
import { DirectoryStore } from '../../../../src/engine/store/remotes/dir.ts'
import { WebStore } from '../../../../src/engine/store/remotes/http.ts'
import { RepositoryStore } from '../../../../src/engine/store/remotes/oci.ts'
import { RepositoryRequests } from '../../../../src/engine/store/remotes/oci-requests.ts'
import { BucketStore } from '../../../../src/engine/store/remotes/s3.ts'
import { BucketRequests } from '../../../../src/engine/store/remotes/s3-requests.ts'
import { webServer } from '../../../support/local-server.ts'
import { scratch } from '../../../support/project.ts'
import { testRegistry } from '../../../support/registry.ts'
import { testBucket } from '../../../support/s3.ts'

export interface Backend {
  /** Of the server, `127.0.0.1:PORT`; undefined: there is none. */
  readonly host?: string
  /** A fresh object, as another machine would have. @param through who is asked instead of the server */
  open(through?: string): RemoteStore
  /** Where the entry's bytes lie on the server's disk. */
  fileOf(name: string): string
}

export const backends: Readonly<Record<'dir' | 'http' | 's3' | 'oci', (t: TestContext) => Promise<Backend>>> = {
  dir: async (t) => {
    const root = join(scratch(t), 'shared')
    return { open: () => new DirectoryStore(root), fileOf: (name) => join(root, name) }
  },
  http: async (t) => {
    const folder = scratch(t)
    mkdirSync(join(folder, 'served'))
    const { host } = new URL(await webServer(t, join(folder, 'served')))
    return {
      host,
      open: (through = host) => {
        const url = `http://${through}/`
        return new WebStore({ url, exchange: exchange(), env: { HOME: folder }, temp: temps(folder), title: 'web' })
      },
      fileOf: (name) => join(folder, 'served', name),
    }
  },
  s3: async (t) => {
    const folder = scratch(t)
    const { bucket, endpoint, region, env, folder: objects } = await testBucket(t)
    const { host } = new URL(endpoint)
    return {
      host,
      open: (through = host) => bucketAt({ bucket, endpoint: `http://${through}`, region }, env, folder),
      fileOf: (name) => join(objects, 'team', name),
    }
  },
  oci: async (t) => {
    const folder = scratch(t)
    const { host, folder: data } = await testRegistry(t)
    return {
      host,
      open: (through = host) => {
        const image = `${through}/acme/cache`
        const requests = new RepositoryRequests({ image, exchange: exchange(), env: {}, push: true })
        return new RepositoryStore({ requests, image, temp: temps(folder), title: 'registry' })
      },
      // The largest blob: manifests and the empty one are smaller than the entries of these tests.
      fileOf: () => largestBelow(join(data, 'docker', 'registry', 'v2', 'blobs')),
    }
  },
}

/** Failures come soon: nobody waits for a server that a test has taken away. */
export const quick: ExchangeOptions = { limits: { connect: 1000, header: 1000, stall: 500, retries: 1, backoff: 10 } }

export function exchange(): Exchange {
  return new Exchange(quick)
}

export function bucketAt(
  place: { readonly bucket: string; readonly endpoint: string; readonly region: string },
  env: Readonly<Record<string, string>>,
  folder: string,
): BucketStore {
  const requests = new BucketRequests(place, exchange(), credentialChain(env))
  return new BucketStore({ requests, bucket: place.bucket, prefix: 'team', temp: temps(folder), title: 'team' })
}

let count = 0
const temps = (folder: string) => (): string => join(folder, `entry-${count++}`)

function largestBelow(root: string): string {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  )
  const sized = files.map((path) => ({ path, size: readFileSync(path).length }))
  return sized.sort((a, b) => b.size - a.size)[0]?.path ?? ''
}
