import { randomInt } from 'node:crypto'
import type { Reporter } from '#engine/events.ts'
import { step } from '#engine/events.ts'
import { inParallel } from '#engine/in-parallel.ts'
import type { Trust } from '#engine/store/manifest.ts'
import { distrust } from '#engine/store/manifest.ts'
import { checkEntry } from '#engine/store/pack.ts'
import type { RemoteStore } from '#engine/store/remote.ts'
import { isOurs } from './collect-remote.ts'
import type { Damage } from './verify.ts'

const atOnce = 6

export interface VerifiedRemote {
  /** Entries that it lists. */
  readonly entries: number
  /** Of these, those that were read. */
  readonly checked: number
  readonly bytes: number
  readonly damaged: readonly Damage[]
  /** Whole, but signed by nobody whom the project names: not used, and no damage. */
  readonly doubted: readonly Damage[]
}

/**
 * Downloads entries of a shared cache and reads every byte of them. Takes and changes none.
 *
 * @param sample how many, chosen by chance; undefined: all
 * @throws {YoeError} FETCH_FAILED
 */
export async function verifyRemote(
  remote: RemoteStore,
  {
    trust,
    sample,
    report,
    signal,
  }: {
    readonly trust: Trust
    readonly sample: number | undefined
    readonly report: Reporter
    readonly signal: AbortSignal
  },
): Promise<VerifiedRemote> {
  const names: string[] = []
  for await (const name of remote.list('units/')) if (isOurs(name)) names.push(name)
  const chosen = sample === undefined ? names : someOf(names, sample)
  const damaged: Damage[] = []
  const doubted: Damage[] = []
  let [done, checked, bytes] = [0, 0, 0]
  const believed = { ...trust, unsigned: trust.unsigned && remote.vouched === true }
  await step(report, `Verify ${chosen.length} entries of ${remote}`, (id) =>
    inParallel(atOnce, chosen, async (name) => {
      signal.throwIfAborted()
      const [, arch = '', hash = ''] = name.split('/')
      const found = await remote.get(name, (path) => checkEntry(path, arch, hash), { signal })
      report({ type: 'step-progress', id, done: ++done, total: chosen.length, measure: 'items' })
      // It was removed a moment ago.
      if (found === undefined) return
      checked++
      if (typeof found === 'string') damaged.push({ what: 'entry', name, of: [], why: found })
      else {
        bytes += found.manifest.files.reduce((sum, { size }) => sum + size, 0)
        const why = distrust(found, believed)
        const row = { what: 'entry', name, of: [found.manifest.unit] } as const
        // Whoever has a key that is believed did not write that.
        const forged = believed.keys.some(({ id: key }) => key === found.signature?.key)
        if (why !== undefined) (forged ? damaged : doubted).push({ ...row, why })
      }
    }),
  )
  return { entries: names.length, checked, bytes, damaged, doubted }
}

function someOf(names: readonly string[], count: number): readonly string[] {
  const left = [...names]
  const chosen: string[] = []
  while (chosen.length < count && left.length > 0) chosen.push(...left.splice(randomInt(left.length), 1))
  return chosen
}
