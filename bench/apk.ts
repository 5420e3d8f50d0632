// Packages and indexes of apk beside tar, gzip and apk's own index: the same trees and files, the same level.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { silent } from '#engine/events.ts'
import type { PackedPackage, PackInput } from '#engine/formats.ts'
import { gzipLevel } from '#feeds/alpine/gzip.ts'
import { packApk } from '#feeds/alpine/pack.ts'
import { publishRepository } from '#feeds/alpine/repository.ts'
import { generateRsaKey } from '#feeds/keys/rsa.ts'
import { apk2 } from '../__tests__/support/alpine/apk.ts'
import { packInput } from '../__tests__/support/making.ts'
import { benchWays } from './pack.ts'

const inputOf = (destdir: string, outdir: string, name = 'bench', version = '1.0'): PackInput => {
  const unit = { name, version, scope: 'noarch' as const }
  return packInput(destdir, outdir, { unit, distro: 'alpine', maintainer: 'Bench' })
}

const shell = (script: string, ...args: readonly string[]): Promise<unknown> =>
  promisify(execFile)('sh', ['-c', script, ...args])

const ways = {
  'yoe: checksums, .apk, its digests, on disk; and all checks': (tree: string, out: string) =>
    packApk(inputOf(tree, out)),
  'tar and gzip': (tree: string, out: string) =>
    shell(`tar -C "$0" -c . | gzip -${gzipLevel} >"$1/bench.tar.gz" && sync "$1/bench.tar.gz"`, tree, out),
  'sha1sum of every file, then tar and gzip': (tree: string, out: string) =>
    shell(
      `cd "$0" && find . -type f -print0 | xargs -0 sha1sum >/dev/null && tar -c . | gzip -${gzipLevel} >"$1/bench.tar.gz" && sync "$1/bench.tar.gz"`,
      tree,
      out,
    ),
}

await benchWays(ways, console.log)
await benchIndex(5000)

/** A repository of many packages, one of which changes. */
async function benchIndex(count: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-bench-'))
  try {
    const entries: PackedPackage[] = []
    const pack = async (name: string, version: string): Promise<PackedPackage> => {
      const tree = join(folder, 'trees', `${name}-${version}`, 'usr/share', name)
      mkdirSync(tree, { recursive: true })
      writeFileSync(
        join(tree, 'file'),
        createHash('sha256')
          .update(name + version)
          .digest('hex'),
      )
      const [packed] = await packApk(
        inputOf(join(folder, 'trees', `${name}-${version}`), join(folder, 'out'), name, version),
      )
      if (packed === undefined) throw new TypeError('nothing was packed')
      return packed
    }
    for (let n = 0; n < count; n++) entries.push(await pack(`package-${n}`, '1.0'))
    const root = join(folder, 'repo')
    const input = { root, project: 'bench', distro: 'alpine', suite: 'v3.19', arch: 'x86_64', report: silent } as const
    const settings = { ...input, signingKey: await generateRsaKey('bench'), date: 1_700_000_000 }
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const start = performance.now()
      await work()
      return (performance.now() - start) / 1000
    }
    const rows: (readonly [what: string, seconds: number])[] = []
    rows.push([
      `yoe: publish ${count} packages, each signed`,
      await timed(() => publishRepository({ ...settings, entries })),
    ])
    const runs: number[] = []
    for (const version of ['1.1', '1.2', '1.3']) {
      const changed = [await pack('package-7', version), ...entries.slice(0, 7), ...entries.slice(8)]
      runs.push(await timed(() => publishRepository({ ...settings, entries: changed })))
    }
    rows.push(['yoe: publish them again, one of which changed', runs.toSorted((a, b) => a - b)[1] ?? 0])
    const one = await pack('package-7', '1.4')
    rows.push(['yoe: add one package', await timed(() => publishRepository({ ...settings, entries: [one] }))])
    const index = join(folder, 'index')
    mkdirSync(index)
    const all = ['index', '--allow-untrusted', '--output', join(index, 'i.tar.gz')]
    const theirs = (args: readonly string[]): Promise<number> =>
      timed(() =>
        apk2([...args, ...entries.map(({ filename }) => join(root, 'noarch', filename))], {
          reads: [root],
          writes: [index],
        }),
      )
    rows.push(['apk index of all, without signing', await theirs(all)])
    copyFileSync(join(index, 'i.tar.gz'), join(index, 'old.tar.gz'))
    rows.push([
      'apk index on top of the old one, without signing',
      await theirs([...all, '--index', join(index, 'old.tar.gz')]),
    ])
    console.log(`\n| an index of ${count} packages | s |\n|---|---|`)
    for (const [what, seconds] of rows) console.log(`| ${what} | ${seconds.toFixed(2)} |`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
