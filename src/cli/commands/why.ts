import type { ImageReason } from '#toolkit/introspect/why.ts'
import { catalogOf } from '../catalog.ts'
import { command, projectOptions } from '../command.ts'
import type { Output } from '../output.ts'
import { table } from '../output.ts'
import { shown } from '../shown.ts'

/** Chains shown for one image; `all` shows the rest. */
const few = 8

export const why = command({
  usage: 'why NAME [IMAGE]',
  summary: 'say why a unit or package is in an image',
  details: `Shows which of the names that an image asks for lead to a unit or feed package, each by a shortest chain. Without IMAGE,
for every image of the machine and distro. That nothing needs it is an answer, too: exit 0.

  yoe why libmodbus
  yoe why libssl3t64 gateway-image
  yoe why zlib --all --json`,
  options: { ...projectOptions, all: { type: 'boolean', help: `every chain, not the ${few} shortest` } },
  positionals: [1, 2],
  completes: ['target', 'image'],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const { whyOf } = await import('#toolkit/introspect/why.ts')
    const [name = '', image] = positionals
    const catalog = await catalogOf(invocation, image === undefined ? [] : [image])
    const found = await whyOf(catalog, name, image)
    if (output.json) {
      output.printJson(found)
      return 0
    }
    for (const reason of found.images) showReason(reason, values.all, output)
    if (found.absent.length > 0) {
      const where = image === undefined && found.images.length === 0 ? 'in any image' : `in ${found.absent.join(', ')}`
      const known = found.unknown.length === 0 ? '' : ' as far as is known'
      output.print(`${shown(name)} is not ${where}: nothing needs it${known}`)
    }
    if (found.unknown.length > 0)
      output.print(`  ${found.unknown.join(', ')}: built with it; whether it is linked shows when it was built here`)
    if (found.images.length === 0 && found.absent.length === 0) output.print('there is no image to look into')
    for (const { name: other, message } of found.unresolved)
      output.tell(`${output.paintError('yellow', 'notice')}: image ${other} can't be resolved: ${shown(message)}`)
    return 0
  },
})

function showReason(reason: ImageReason, all: boolean, output: Output): void {
  const { image, package: name, version, from, chains } = reason
  output.print(`${output.paint('bold', image)} has ${name} ${shown(version)} (${from})`)
  const listed = all ? chains : chains.slice(0, few)
  const rows = listed.map(({ by, pick, packages, at }) => {
    const way = packages[0] === pick ? packages : [pick, ...packages]
    const who = by === `image ${image}` ? '' : `${by}: `
    return [`  ${who}${way.join(' → ')}`, at === undefined ? '' : output.paint('dim', `${at.file}:${at.line}`)]
  })
  for (const line of table(rows)) output.print(line)
  if (chains.length > listed.length)
    output.print(output.paint('dim', `  and ${chains.length - listed.length} more: --all`))
}
