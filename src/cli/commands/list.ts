import type { Machine } from '#engine/project/model.ts'
import type { Row } from '#toolkit/introspect/listing.ts'
import { moduleTitle } from '#toolkit/introspect/query.ts'
import type { Loaded } from '#toolkit/workspace.ts'
import { shadowOption, showShadows } from '../catalog.ts'
import { command, projectOptions } from '../command.ts'
import type { Output, Style } from '../output.ts'
import { table } from '../output.ts'
import { projectOf } from '../project.ts'
import { shown } from '../shown.ts'

/** Words that list something else than a query finds, or are short for one. */
const sections = ['units', 'images', 'containers', 'machines', 'modules', 'feeds'] as const

export const list = command({
  usage: 'list [machines|modules|feeds] [QUERY…]',
  summary: 'list units, images, machines, modules and feeds',
  details: `Lists units, images and containers that a query finds; all of its words must hold:

  TEXT           is in the name, or in a name that the unit provides
  type:X         unit, image, container, or a class such as autotools; feed, for packages with in:
  module:X       of a module; "project" for the project's own, or a feed with in:
  in:X           what an image or a unit installs, packages of feeds included
  status:X       cached, stale, failed, building or never built

The first word may be machines, modules or feeds, which lists those; units, images and containers are short for type:.

  yoe list
  yoe list modbus
  yoe list type:autotools module:core
  yoe list in:gateway-image status:stale
  yoe list machines --json

Without a query, that of local.star, if it has one; "" finds everything.`,
  options: { ...projectOptions, ...shadowOption },
  positionals: [0, Number.POSITIVE_INFINITY],
  completes: [sections, 'unit'],
  async run(invocation) {
    const { output, positionals, values } = invocation
    const [first = '', ...rest] = positionals
    const section = sections.find((one) => one === first)
    if (section === 'machines' || section === 'modules' || section === 'feeds') {
      const loaded = await projectOf(invocation)
      showSection(section, rest, loaded, output)
      return 0
    }
    const { parseQuery } = await import('#toolkit/introspect/query.ts')
    const { declaredRows, listUnits } = await import('#toolkit/introspect/listing.ts')
    const loaded = await projectOf(invocation)
    const own = positionals.length > 0 ? undefined : loaded.workspace.local.settings.query
    if (own !== undefined) output.tell(output.paintError('dim', `${own} (query of local.star; yoe list "" lists all)`))
    const words = section === undefined ? [own ?? '', ...positionals] : [`type:${section.replace(/s$/, '')}`, ...rest]
    const { project, machine } = loaded
    const query = parseQuery(words, project)
    let rows: readonly Row[]
    if (machine === undefined || project.feeds.length === 0) rows = declaredRows(project, query)
    else {
      const { openLoaded } = await import('#toolkit/catalog-view.ts')
      const catalog = openLoaded(loaded, { distro: values.distro })
      if (values['show-shadows']) showShadows(catalog, output)
      rows = await listUnits(catalog, query)
    }
    if (output.json) output.printJson({ units: rows })
    else showRows(rows, output)
    return 0
  },
})

const styles: Readonly<Record<string, Style>> = {
  cached: 'green',
  built: 'green',
  failed: 'red',
  stale: 'yellow',
  building: 'yellow',
}

function showRows(rows: readonly Row[], output: Output): void {
  if (rows.length === 0) {
    output.tell('nothing is so')
    return
  }
  const heading = ['NAME', 'CLASS', 'MODULE', 'VERSION', 'SCOPE', 'STATUS', ''].map((title) =>
    output.paint('dim', title),
  )
  const lines = rows.map((row) => {
    const style = styles[row.status]
    const status = row.status === 'never' ? '' : row.status
    return [
      row.note === undefined ? row.name : output.paint('dim', row.name),
      shown(row.class),
      moduleTitle(row.module),
      row.version,
      row.scope,
      style === undefined ? status : output.paint(style, status),
      row.note === undefined ? '' : output.paint('dim', shown(row.note)),
    ]
  })
  for (const line of table([heading, ...lines])) output.print(line)
}

function showSection(
  section: 'machines' | 'modules' | 'feeds',
  texts: readonly string[],
  { project, machine: chosen }: Loaded,
  output: Output,
): void {
  const named = (name: string): boolean => texts.every((text) => name.toLowerCase().includes(text.toLowerCase()))
  const at = ({ file, line }: { file: string; line: number }): string => output.paint('dim', `${file}:${line}`)
  switch (section) {
    case 'machines': {
      const machines = project.machines.filter(({ name }) => named(name))
      if (output.json) {
        output.printJson({
          machines: machines.map(({ name, arch, module, description, at: place }) => ({
            ...{ name, arch, module, description },
            chosen: name === chosen?.name,
            at: place,
          })),
        })
        break
      }
      const rows = machines.map((one) => [
        mark(one, chosen),
        one.arch,
        moduleTitle(one.module),
        one.description,
        at(one.at),
      ])
      showTable(rows, output)
      break
    }
    case 'modules': {
      const modules = project.modules.filter(({ name }) => named(name))
      if (output.json)
        output.printJson({
          modules: modules.map(({ name, description, root, at: place }) => ({ name, description, root, at: place })),
        })
      else
        showTable(
          modules.map((one) => [one.name, one.description, at(one.at)]),
          output,
        )
      break
    }
    case 'feeds': {
      const feeds = project.feeds.filter(({ id }) => named(id))
      const url = (options: (typeof feeds)[number]['options']): string => String(options['url'] ?? '')
      if (output.json)
        output.printJson({
          feeds: feeds.map(({ id, distro, format, module, options, at: place }) => ({
            ...{ name: id, distro, format, module, url: url(options), at: place },
          })),
        })
      else
        showTable(
          feeds.map((one) => [one.id, one.distro, url(one.options), at(one.at)]),
          output,
        )
      break
    }
    default:
      section satisfies never
  }
}

function showTable(rows: readonly (readonly string[])[], output: Output): void {
  if (rows.length === 0) output.tell('nothing is so')
  for (const line of table(rows)) output.print(line)
}

const mark = (machine: Machine, chosen: Machine | undefined): string =>
  machine.name === chosen?.name ? `${machine.name} *` : machine.name
