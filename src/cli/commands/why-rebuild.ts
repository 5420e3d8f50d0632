import type { Json } from '#engine/project/model.ts'
import type { FieldChange } from '#toolkit/introspect/fields.ts'
import { command, projectOptions } from '../command.ts'
import { table } from '../output.ts'
import { workspaceOf } from '../project.ts'
import { shown } from '../shown.ts'

export const whyRebuild = command({
  usage: 'why-rebuild [UNIT]',
  summary: 'say what changed since a unit was built',
  details: `Compares what a unit (or the default image) is made of now with what its last build here was made of, and follows what
it is built with down to whatever changed by itself.

  yoe why-rebuild
  yoe why-rebuild sensord
  yoe why-rebuild gateway-image --machine qemu-arm64 --json`,
  options: projectOptions,
  positionals: [0, 1],
  completes: ['target'],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const { makePlan } = await import('#toolkit/planning.ts')
    const { whyRebuild: ask } = await import('#toolkit/introspect/rebuild.ts')
    const { machine, distro } = values
    const found = await ask(await makePlan(workspaceOf(invocation), { machine, distro, targets: positionals }))
    if (output.json) {
      output.printJson(found)
      return 0
    }
    const { unit, state, why, causes } = found
    if (causes.length === 0) {
      output.print(
        state === 'cached' ? `${unit} is cached: nothing changed since it was built` : `${unit}: ${shown(why)}`,
      )
      return 0
    }
    if (state === 'unneeded') output.print(`${unit} is not cached, but a build needs only what is cached above it`)
    for (const { chain, changes, forgotten } of causes) {
      output.print(output.paint('bold', chain.join(' ← ')))
      if (forgotten) output.print('  it differs; what it was made of then is not known here any more')
      for (const line of table(changes.map(rowOf))) output.print(line)
    }
    return 0
  },
})

function rowOf({ field, how, before, after }: FieldChange): readonly string[] {
  const name = `  ${shown(field)}`
  if (before === undefined && after === undefined) return [name, how]
  if (before === undefined) return [name, `${how}: ${clip(value(after))}`]
  if (after === undefined) return [name, `${how}: ${clip(value(before))}`]
  const [old, now] = apart(value(before), value(after))
  return [name, `${clip(old)} → ${clip(now)}`]
}

const widest = 100
/** What two long texts have in common and is shown of it. */
const context = 20

/** On one line. */
function value(json: Json | undefined): string {
  const text = typeof json === 'string' ? json : (JSON.stringify(json) ?? '')
  return shown(text.replaceAll('\n', '⏎'))
}

const clip = (line: string): string => (line.length > widest ? `${line.slice(0, widest - 1)}…` : line)

/** Two long texts from shortly before the place where they differ. */
function apart(a: string, b: string): readonly [string, string] {
  if (Math.max(a.length, b.length) <= widest) return [a, b]
  let same = 0
  while (same < a.length && a[same] === b[same]) same++
  const start = same - context
  return start <= 0 ? [a, b] : [`…${a.slice(start)}`, `…${b.slice(start)}`]
}
