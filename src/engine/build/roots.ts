import { existsSync } from 'node:fs'
import { mkdir, readFile, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { step } from '../events.ts'
import { unpackRoot } from '../image/unpack-root.ts'
import { inParallel } from '../in-parallel.ts'
import type { ToolchainNode } from '../plan/graph.ts'
import type { UnitManifest } from '../store/manifest.ts'
import { objectDigest } from '../store/object-path.ts'
import { replaceFile } from '../store/replace-file.ts'
import { noteUse } from '../store/use.ts'
import type { BuildContext } from './context.ts'
import { keyOf } from './context.ts'
import type { Produced, Results } from './executor.ts'
import type { Finished } from './finished.ts'
import { archiveOf, dockerfileRoot, pullRoot, rootArchive, settingsOfRoot } from './made-roots.ts'
import { changedTrees, treeStates } from './tree-record.ts'
import type { UnitLog } from './unit-log.ts'

/** Most package files fetched at the same time. */
const fetchesAtOnce = 6

/** Fetched and verified files of packages, in their order. */
export function fetchAll(context: BuildContext, records: ToolchainNode['packages']): Promise<readonly string[]> {
  return step(context.report, `fetch ${records.length} packages`, () =>
    inParallel(fetchesAtOnce, records, context.fetchPackage),
  )
}

/** Makes the root file system of a toolchain: its packages installed, as a rule. It is stored as one archive. */
export async function buildToolchain(
  context: BuildContext,
  node: ToolchainNode,
  results: Finished,
  log: UnitLog,
): Promise<readonly Produced[]> {
  const { image, dockerfile } = node.unit
  if (image !== undefined) return pullRoot(context, node, image, log)
  if (dockerfile !== undefined) return dockerfileRoot(context, node, dockerfile, results, log)
  const tools = node.installer ?? node.tools
  const paths = await fetchAll(context, node.packages)
  const workdir = context.store.temp()
  await mkdir(workdir, { recursive: true })
  const output = join(workdir, rootArchive)
  const work = join(workdir, 'work')
  await mkdir(work)
  await context.format.installRoot({
    arch: node.arch,
    distro: node.distro,
    packages: node.packages.map((record, index) => {
      if (record.origin.kind !== 'feed') throw new TypeError(`${record.name} of a toolchain is no feed package`)
      const path = paths[index] ?? ''
      return { record, path, sha256: objectDigest(path), size: record.origin.size }
    }),
    tools: tools === undefined ? undefined : await results.rootOf(tools),
    worker: context.worker,
    workdir: work,
    output,
    sourceDateEpoch: context.sourceDateEpoch,
    report: context.report,
    log: log.write,
    logPath: log.path,
    signal: context.signal,
  })
  return [{ name: rootArchive, path: output }]
}

/** The environment that the image of an unpacked root asks for: `NAME=value`; nothing for a root of packages. */
export async function environmentOfRoot(root: string): Promise<readonly string[]> {
  const text = await readFile(`${root}.json`, 'utf8').catch(() => '[]')
  const lines: unknown = JSON.parse(text)
  return Array.isArray(lines) ? lines.filter((line) => typeof line === 'string') : []
}

/**
 * Unpacked roots of toolchains, `$YOE_CACHE/roots/<hash>/`: made when a task first needs one. Beside a root that was an
 * image lies what that says of the environment.
 */
export class Roots {
  readonly #context: BuildContext
  readonly #unpacking = new Map<ToolchainNode, Promise<string>>()
  /** One for each root that was there before: whether it is as it was unpacked. */
  readonly #looking: Promise<void>[] = []
  #damaged = 0

  constructor(context: BuildContext) {
    this.#context = context
  }

  /** Absolute folder to be used as a read-only `/`. */
  async folder(node: ToolchainNode, results: Results): Promise<string> {
    const manifest = await results.manifestOf(node)
    const known = this.#unpacking.get(node)
    if (known !== undefined) return known
    const unpacking = this.#unpack(node, manifest)
    this.#unpacking.set(node, unpacking)
    return unpacking
  }

  /**
   * Does work in roots, which are looked at meanwhile; when one of them was not what was unpacked, what was made in it
   * counts for nothing, and the work is done again.
   */
  async soundly<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#damaged
    const done = await work().then(
      (value) => ({ value }),
      (failure: unknown) => ({ failure }),
    )
    await Promise.all(this.#looking)
    if (this.#damaged > before) return work()
    if ('failure' in done) throw done.failure
    return done.value
  }

  /** Sets a root aside when it is not as it was unpacked. */
  async #look(node: ToolchainNode, hash: string): Promise<void> {
    const { store, report, signal } = this.#context
    const home = join(store.root, 'roots')
    const changed = async (): Promise<boolean> =>
      (await changedTrees(home, [{ tree: hash, record: `${hash}.tree` }], 'changed')).length > 0
    if (!(await changed())) return
    report({
      type: 'warning',
      message: `the root of ${node.unit.name} in the cache is not as it was unpacked: it is unpacked again`,
    })
    this.#damaged++
    this.#unpacking.delete(node)
    await using _alone = await store.lock(`root-${hash}`, { signal })
    // Another process may have done so already, or use it: it is removed when this one has ended.
    if (existsSync(join(home, hash)) && (await changed())) await rename(join(home, hash), store.temp())
  }

  async #unpack(node: ToolchainNode, manifest: UnitManifest): Promise<string> {
    const { store, report, signal } = this.#context
    const { hash } = keyOf(this.#context, node)
    const dest = join(store.root, 'roots', hash)
    await using _alone = await store.lock(`root-${hash}`, { signal })
    if (existsSync(dest)) {
      noteUse(`${dest}.tree`)
      const look = this.#look(node, hash)
      look.catch(() => {})
      this.#looking.push(look)
      return dest
    }
    const tar = await archiveOf(store, manifest)
    await mkdir(dirname(dest), { recursive: true })
    const { env } = await settingsOfRoot(store, manifest)
    if (env.length > 0) await replaceFile(`${dest}.json`, JSON.stringify(env))
    const unpacked = async (temp: string): Promise<void> => {
      const [state = ''] = await treeStates(dirname(temp), [basename(temp)], 'changed')
      await replaceFile(`${dest}.tree`, state)
    }
    await step(report, `unpack ${node.unit.name}`, () => unpackRoot({ tar, dest, unpacked, signal }))
    return dest
  }
}
