import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { ImageDelta, PackageDelta, Proposal, WhatIf } from '#toolkit/introspect/what-if.ts'
import { catalogOf } from '../catalog.ts'
import { command, projectOptions } from '../command.ts'
import type { Output } from '../output.ts'
import { bytes, table } from '../output.ts'
import { shown } from '../shown.ts'

const verbs = ['bump', 'remove', 'add'] as const

export const whatIf = command({
  usage: 'what-if bump UNIT VERSION | remove NAME | add NAME',
  summary: 'say what a change would rebuild and what images would gain',
  details: `Makes a change to the evaluated project, in memory only, and says what would be built anew, and which packages and bytes
the image would gain or lose. A change that can't be is explained; that is an answer, too: exit 0.

  yoe what-if bump libmodbus 3.1.12       in all images of the machine and distro
  yoe what-if add gdb                     to the default image
  yoe what-if remove webui --image gateway-image --json`,
  options: {
    ...projectOptions,
    image: { type: 'string', value: 'NAME', completes: 'image', help: 'look at this image only' },
  },
  positionals: [2, 3],
  completes: [['bump', 'remove', 'add'], 'target'],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const proposal = proposalOf(positionals)
    const { whatIf: ask } = await import('#toolkit/introspect/what-if.ts')
    const { imagesOf } = await import('#toolkit/introspect/refs.ts')
    const { imageNamed } = await import('#toolkit/introspect/why.ts')
    const { targetNames } = await import('#toolkit/planning.ts')
    const { image } = values
    const catalog = await catalogOf(invocation, image === undefined ? [] : [image])
    const images =
      image === undefined && proposal.kind === 'bump'
        ? imagesOf(catalog).map(({ name }) => name)
        : targetNames(catalog, image === undefined ? [] : [image]).map((name) => imageNamed(catalog, name).name)
    const found = await ask(catalog, proposal, images)
    if (output.json) output.printJson(found)
    else show(found, output)
    return 0
  },
})

function proposalOf([verb = '', name = '', version]: readonly string[]): Proposal {
  const kind = verbs.find((one) => one === verb)
  if (kind === undefined) {
    throw new YoeError('USAGE', `yoe what-if knows no "${verb}"`, {
      hint: didYouMean(verb, verbs) ?? 'it knows bump UNIT VERSION, remove NAME and add NAME',
    })
  }
  if ((kind === 'bump') !== (version !== undefined)) {
    throw new YoeError('USAGE', kind === 'bump' ? 'say which version' : `yoe what-if ${kind} takes one name`, {
      hint: kind === 'bump' ? `yoe what-if bump ${name} VERSION` : `yoe what-if ${kind} ${name}`,
    })
  }
  return version === undefined
    ? { kind: kind === 'add' ? 'add' : 'remove', name }
    : { kind: 'bump', unit: name, version }
}

function show({ rebuilt, images, errors }: WhatIf, output: Output): void {
  if (errors.length > 0) {
    output.print(output.paint('bold', "that can't be:"))
    for (const { message, hint } of errors) {
      output.print(`  ${shown(message)}`)
      if (hint !== undefined) output.print(`  ${output.paint('cyan', 'hint')}: ${shown(hint)}`)
    }
    return
  }
  if (rebuilt.length === 0) output.print('nothing would be built anew')
  else {
    output.print(output.paint('bold', `${rebuilt.length} would be built anew`))
    for (const line of table(rebuilt.map(({ id, cached }) => [`  ${id}`, cached ? 'cached already' : ''])))
      output.print(line)
  }
  const same = images.filter(({ packages, still }) => packages.length === 0 && still === undefined)
  for (const image of images) if (!same.includes(image)) showImage(image, output)
  if (same.length > 0)
    output.print(`${same.map(({ name }) => output.paint('bold', name)).join(', ')}: the same packages as now`)
}

function showImage({ name, packages, count, bytes: gained, unknown, still }: ImageDelta, output: Output): void {
  const [before, after] = count
  const size = packages.length === 0 ? 'the same packages as now' : `${counted(before, after)}, ${signed(gained)}`
  output.print(`${output.paint('bold', name)}: ${size}`)
  for (const line of table(packages.map((one) => rowOf(one, output)))) output.print(line)
  if (unknown.length > 0)
    output.print(output.paint('dim', `  of unknown size until they are built here: ${unknown.join(', ')}`))
  if (still !== undefined) output.print(`  it would still be there: ${still.map(shown).join(' → ')}`)
}

function rowOf({ name, before, after, bytes: size }: PackageDelta, output: Output): readonly string[] {
  const sign = before === undefined ? output.paint('green', '+') : after === undefined ? output.paint('red', '-') : '~'
  const versions = before === undefined || after === undefined ? (before ?? after ?? '') : `${before} → ${after}`
  return [`  ${sign} ${name}`, shown(versions), size === undefined ? '' : signed(size)]
}

const counted = (before: number, after: number): string =>
  before === after ? `${after} packages` : `${before} → ${after} packages`

const signed = (count: number): string => `${count < 0 ? '-' : count > 0 ? '+' : '±'}${bytes(Math.abs(count))}`
