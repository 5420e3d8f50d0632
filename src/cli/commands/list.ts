import type { Unit } from '#engine/project/model.ts'
import { command, projectOptions } from '../command.ts'
import { table } from '../output.ts'
import { projectOf } from '../project.ts'

const kinds = ['units', 'images', 'containers', 'machines', 'modules', 'feeds'] as const

export const list = command({
  usage: 'list [units|images|containers|machines|modules|feeds]',
  summary: 'list units, images, machines, modules and feeds',
  details: `Lists what the project and its modules declare, and where.

  yoe list
  yoe list images`,
  options: projectOptions,
  positionals: [0, 1],
  async run(invocation) {
    const { output, positionals } = invocation
    const { YoeError } = await import('#engine/errors.ts')
    const { didYouMean } = await import('#engine/nearest.ts')
    const [wanted] = positionals
    const kind = kinds.find((known) => known === wanted)
    if (wanted !== undefined && kind === undefined) {
      throw new YoeError('USAGE', `yoe list knows no "${wanted}"`, {
        hint: didYouMean(wanted, kinds) ?? `it knows ${kinds.join(', ')}`,
      })
    }
    const { project } = await projectOf(invocation)
    const ofKind = (name: Unit['kind']): readonly Row[] =>
      project.units
        .filter((unit) => unit.kind === name)
        .map((unit) => row(unit.name, unit.version, unit.description, unit.at))
    const all: Readonly<Record<(typeof kinds)[number], readonly Row[]>> = {
      units: ofKind('package'),
      images: ofKind('image'),
      containers: ofKind('toolchain'),
      machines: project.machines.map((machine) => row(machine.name, machine.arch, machine.description, machine.at)),
      modules: project.modules.map((module) => row(module.name, '', module.description, module.at)),
      feeds: project.feeds.map((feed) => row(feed.id, feed.distro, String(feed.options['url'] ?? ''), feed.at)),
    }
    const chosen = kind === undefined ? kinds : [kind]
    if (output.json) {
      output.printJson(Object.fromEntries(chosen.map((name) => [name, all[name]])))
      return 0
    }
    for (const name of chosen) {
      if (all[name].length === 0) continue
      if (kind === undefined) output.print(output.paint('bold', name))
      const rows = all[name].map((entry) => [
        `  ${entry.name}`,
        entry.detail,
        entry.description,
        output.paint('dim', entry.at),
      ])
      for (const line of table(rows)) output.print(line)
    }
    return 0
  },
})

interface Row {
  readonly name: string
  readonly detail: string
  readonly description: string
  readonly at: string
}

function row(
  name: string,
  detail: string,
  description: string,
  at: { readonly file: string; readonly line: number },
): Row {
  return { name, detail, description, at: `${at.file}:${at.line}` }
}
