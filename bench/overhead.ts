import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from '#engine/build/tree.ts'
import { checkout, debianProject, writeTexts } from '../__tests__/support/project.ts'
import { sharedCache } from '../__tests__/support/shared-cache.ts'

/** What a small unit costs (ms, medians): its commands alone, and its build from the first to the last event of it. */
export interface OverheadTimes {
  readonly what: string
  readonly bare: number
  readonly unit: number
}

const command = 'mkdir -p $DESTDIR/usr/share/doc && for i in 1 2 3 4 5; do echo $i >$DESTDIR/usr/share/doc/$i; done'

const unit = (name: string, more: string): string =>
  `unit(name = "${name}", version = "1", license = "MIT", qa_skip = {"license": "a bench"}, ${more}
    tasks = [task("install", run = ${JSON.stringify(command)})])\n`

/** A unit by itself, and one whose sysroot has a hundred packages of a feed or so. */
const units: Readonly<Record<string, string>> = {
  alone: '',
  'large-sysroot': 'deps = ["libgtk-3-dev"],',
}

/** @returns one row for each kind of unit; needs a network, or what an earlier run left in the tests' cache */
export async function benchOverhead(rounds = 5): Promise<readonly OverheadTimes[]> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-bench-'))
  try {
    writeTexts(folder, {
      'PROJECT.star': debianProject,
      'units/u.star': Object.entries(units)
        .map(([name, more]) => unit(name, more))
        .join(''),
    })
    const build = (name: string): readonly { type: string; time: number; unit?: string }[] => {
      const main = join(checkout, 'src/cli/main.mjs')
      const env = { ...process.env, YOE_CACHE: sharedCache() }
      const argv = [main, 'build', '--force', '--events', '-', name]
      const { stdout, stderr, status } = spawnSync(process.execPath, argv, { cwd: folder, env, encoding: 'utf8' })
      if (status !== 0) throw new Error(stderr)
      return stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    }
    const rows: OverheadTimes[] = []
    for (const name of Object.keys(units)) {
      const [bare, ours]: [number[], number[]] = [[], []]
      for (let round = 0; round <= rounds; round++) {
        const destdir = join(folder, 'bare', String(round))
        const start = performance.now()
        execFileSync('/bin/bash', ['-e', '-c', command], { env: { PATH: '/usr/bin:/bin', DESTDIR: destdir } })
        const alone = performance.now() - start
        const events = build(name).filter((event) => event.unit === `debian/${name}.x86_64`)
        const time = (type: string): number => events.find((event) => event.type === type)?.time ?? Number.NaN
        // The first round fetches, unpacks and warms.
        if (round === 0) continue
        bare.push(alone)
        ours.push(time('unit-ended') - time('unit-started'))
      }
      rows.push({ what: name, bare: median(bare), unit: median(ours) })
    }
    return rows
  } finally {
    await removeTree(folder)
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

if (import.meta.main) {
  for (const { what, bare, unit: ms } of await benchOverhead()) {
    const more = ((ms - bare) / 1000).toFixed(2)
    console.log(
      `${what.padEnd(14)} ${ms.toFixed(0).padStart(5)} ms  its commands alone ${bare.toFixed(0).padStart(4)} ms  ours: ${more} s`,
    )
  }
}
