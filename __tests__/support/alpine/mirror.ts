import { createReadStream, readdirSync } from 'node:fs'
import { copyFile, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { basename, join, normalize } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { TestContext } from 'node:test'
import { served } from '../local-server.ts'
import { compilers } from './compilers.ts'
import { extras } from './extras.ts'
import { kept } from './kept.ts'
import { genuineRepository, indexes } from './material.ts'
import { replica, testKeyFolder } from './replica.ts'
import { genuineKeys } from './roots.ts'

/** Where Alpine's packages are for everybody: what a test's `mirrors` lead to its own server. */
export const alpineUrl = 'https://dl-cdn.alpinelinux.org/alpine'

export interface AlpineMirror {
  /** `http://127.0.0.1:PORT`; below it `v3.19/main/x86_64/APKINDEX.tar.gz` and so on, as below {@link alpineUrl}. */
  readonly url: string
  /** A folder with the public keys of all that is served. */
  readonly keys: string
  /** For `mirrors = {...}` of local.star, and as `FROM=TO` for `YOE_MIRRORS`. */
  readonly mirrors: Readonly<Record<string, string>>
  readonly yoeMirrors: string
  /** What was asked for since the start, paths in order. */
  readonly requests: readonly string[]
}

/** Repositories that are made on this machine: branch, section, architecture. */
export type MadeRepository = keyof typeof makers

const makers = {
  'v3.20/main/x86_64': () => replica('v3.20', 'x86_64'),
  'v3.20/main/aarch64': () => replica('v3.20', 'aarch64'),
  'v3.23/main/x86_64': () => replica('v3.23', 'x86_64'),
  'v3.23/main/aarch64': () => replica('v3.23', 'aarch64'),
  // The same for all, whatever their musl is.
  'v3.19/community/x86_64': () => compilers('x86_64'),
  'v3.20/community/x86_64': () => compilers('x86_64'),
  'v3.20/community/aarch64': () => compilers('aarch64'),
  'v3.23/community/x86_64': () => compilers('x86_64'),
  'v3.23/community/aarch64': () => compilers('aarch64'),
  'v3.23/extras/aarch64': extras,
} as const

/**
 * Serves Alpine 3.19.1 as it is (100 packages of `v3.19/main/x86_64`) until the test is over, and the complete indexes of
 * real releases, without packages, as `full/v3.19/main/x86_64/APKINDEX.tar.gz`.
 *
 * @param made what is served as well. A machine's first v3.23 downloads 85 MB.
 */
export async function alpineMirror(t: TestContext, made: readonly MadeRepository[] = []): Promise<AlpineMirror> {
  const keys = await allKeys()
  const trees = new Map<string, string>([['v3.19/main/x86_64', join(genuineRepository, 'x86_64')]])
  for (const name of made) {
    trees.set(name, join(await makers[name](), basename(name)))
  }
  const files = new Map<string, string>()
  for (const [name, path] of Object.entries(indexes)) {
    const [branch, section, arch] = name.split('-')
    files.set(`full/${branch}/${section}/${arch}/APKINDEX.tar.gz`, path)
  }
  const requests: string[] = []
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://mirror')
    requests.push(pathname)
    void (async () => {
      const file = fileOf(decodeURIComponent(pathname).slice(1), trees, files)
      const found = file === undefined ? undefined : await stat(file).catch(() => undefined)
      if (file === undefined || found === undefined || !found.isFile()) {
        response.writeHead(404).end()
        return
      }
      const modified = found.mtime.toUTCString()
      if (request.headers['if-modified-since'] === modified) {
        response.writeHead(304).end()
        return
      }
      response.writeHead(200, { 'content-length': found.size, 'last-modified': modified })
      if (request.method === 'HEAD') response.end()
      else await pipeline(createReadStream(file), response).catch(() => undefined) // a client may leave
    })()
  })
  const url = await served(t, server)
  return { url, keys, mirrors: { [alpineUrl]: url }, yoeMirrors: `${alpineUrl}=${url}`, requests }
}

/** The public keys of Alpine and of {@link testKeyFolder}. */
async function allKeys(): Promise<string> {
  const folders = [await genuineKeys('x86_64'), await genuineKeys('aarch64'), await testKeyFolder()]
  return kept('keys', folders, async (folder) => {
    for (const one of folders)
      for (const name of readdirSync(one))
        if (name.endsWith('.pub')) await copyFile(join(one, name), join(folder, name))
  })
}

function fileOf(
  path: string,
  trees: ReadonlyMap<string, string>,
  files: ReadonlyMap<string, string>,
): string | undefined {
  const clean = normalize(path)
  const whole = files.get(clean)
  if (whole !== undefined) return whole
  for (const [prefix, folder] of trees) {
    if (clean.startsWith(`${prefix}/`)) return join(folder, clean.slice(prefix.length))
  }
  return undefined
}
