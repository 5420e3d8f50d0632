import type { Reference, Refs } from '#toolkit/introspect/refs.ts'
import { catalogOf } from '../catalog.ts'
import { command, projectOptions } from '../command.ts'
import type { Output } from '../output.ts'
import { table } from '../output.ts'
import { shown } from '../shown.ts'
import { treeLines } from '../tree.ts'

export const refs = command({
  usage: 'refs NAME [--direct|--tree]',
  summary: 'say what needs a unit or package',
  details: `Lists what needs a unit, container or feed package: units, by what they declare; images, by what they install.
"rebuilt" marks what another version of it makes anew.

  yoe refs libmodbus
  yoe refs libmodbus --direct      only what names it
  yoe refs zlib --tree             who needs whom, step by step
  yoe refs libssl3t64 --distro debian --json`,
  options: {
    ...projectOptions,
    direct: { type: 'boolean', help: 'only what names it itself' },
    tree: { type: 'boolean', help: 'as a tree, with every step' },
  },
  positionals: [1, 1],
  completes: ['target'],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const { refsOf, refsTree } = await import('#toolkit/introspect/refs.ts')
    const [name = ''] = positionals
    if (values.direct && values.tree) {
      const { YoeError } = await import('#engine/errors.ts')
      throw new YoeError('USAGE', '--direct and --tree exclude each other', { hint: 'say one of them' })
    }
    const catalog = await catalogOf(invocation)
    if (values.tree) {
      const tree = await refsTree(catalog, name)
      if (output.json) output.printJson(tree)
      else {
        for (const line of treeLines(tree, {
          label: (node) =>
            `${shown(node.name)}${node.relations.length === 0 ? '' : output.paint('dim', ` (${node.relations.join(', ')})`)}`,
          children: (node) => node.neededBy,
          repeated: (node) => node.repeated,
        }))
          output.print(line)
        if (tree.neededBy.length === 0) output.print(`nothing names ${shown(name)} itself: yoe refs ${shown(name)}`)
      }
      return 0
    }
    const found = await refsOf(catalog, name, { direct: values.direct })
    if (output.json) output.printJson(found)
    else show(found, values.direct, output)
    return 0
  },
})

function show(found: Refs, direct: boolean, output: Output): void {
  const { name, means, units, images, unresolved } = found
  if (means !== name) output.print(`${shown(name)} means ${shown(means)}`)
  if (units.length > 0) {
    output.print(output.paint('bold', 'units'))
    for (const line of table(units.map((unit) => rowOf(unit, output)))) output.print(line)
  }
  if (images.length > 0) {
    output.print(output.paint('bold', 'images'))
    const rows = images.map((image) => [`  ${image.name}`, image.direct ? 'directly' : `via ${some(image.via)}`])
    for (const line of table(rows)) output.print(line)
  }
  if (units.length === 0 && images.length === 0)
    output.print(
      direct ? `nothing names ${shown(name)} itself: yoe refs ${shown(name)}` : `nothing needs ${shown(name)}`,
    )
  for (const { name: image, message } of unresolved)
    output.tell(`${output.paintError('yellow', 'notice')}: image ${image} can't be resolved: ${shown(message)}`)
}

function rowOf(unit: Reference, output: Output): readonly string[] {
  const how = unit.direct ? 'directly' : `via ${some(unit.via)}`
  const { file, line } = unit.at
  return [
    `  ${unit.name}`,
    unit.relations.join(' + '),
    how,
    unit.rebuilt ? 'rebuilt' : '',
    output.paint('dim', `${file}:${line}`),
  ]
}

const few = 5

/** Names, the first few of them. */
function some(names: readonly string[]): string {
  const rest = names.length - few
  return names.slice(0, few).map(shown).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}
