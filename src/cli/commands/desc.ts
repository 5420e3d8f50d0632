import { YoeError } from '#engine/errors.ts'
import type { Json } from '#engine/project/model.ts'
import type { Description, FeedDescription, MachineDescription, UnitDescription } from '#toolkit/introspect/describe.ts'
import { moduleTitle } from '#toolkit/introspect/query.ts'
import { catalogOf } from '../catalog.ts'
import { command, projectOptions } from '../command.ts'
import type { Output } from '../output.ts'
import { bytes, table } from '../output.ts'
import { shown } from '../shown.ts'

export const desc = command({
  usage: 'desc NAME [--inputs|--config]',
  summary: 'describe what a name means: a unit, image, machine or package',
  details: `Describes what a name means, and what else it could have meant: a unit as the build sees it, with its key and whether its
result is cached; a machine; a package of a feed.

  yoe desc sensord
  yoe desc linux               which kernel that is, and why
  yoe desc libssl3t64          a package of the distro
  yoe desc sensord --config    flags and variables that flow to it, and from where
  yoe desc sensord --inputs    what its key is made of`,
  options: {
    ...projectOptions,
    inputs: { type: 'boolean', help: 'print the document that the key is the digest of' },
    config: { type: 'boolean', help: 'print what public_config comes to, and whose it is' },
  },
  positionals: [1, 1],
  completes: ['target'],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const [name = ''] = positionals
    if (values.inputs && values.config)
      throw new YoeError('USAGE', '--inputs and --config exclude each other', { hint: 'say one of them' })
    const catalog = await catalogOf(invocation, positionals)
    if (values.inputs) {
      const { planCatalog } = await import('#toolkit/planning.ts')
      const { targets, keys } = await planCatalog(catalog, positionals)
      const [node] = targets
      output.printJson(node === undefined ? null : keys.get(node)?.inputs)
      return 0
    }
    const { configOf, describeName } = await import('#toolkit/introspect/describe.ts')
    if (values.config) {
      const config = await configOf(catalog, name)
      if (output.json) output.printJson({ name, config })
      else if (config.length === 0) output.print(`no public_config reaches ${shown(name)}`)
      else
        for (const line of table(config.map((one) => [one.setting, shown(one.value), output.paint('dim', one.from)])))
          output.print(line)
      return 0
    }
    const found = await describeName(catalog, name)
    if (output.json) output.printJson(found)
    else show(found, output)
    return 0
  },
})

function show(found: Description, output: Output): void {
  switch (found.kind) {
    case 'feed':
      showFeed(found, output)
      break
    case 'machine':
      showMachine(found, output)
      break
    default:
      showUnit(found, output)
  }
}

function showUnit(found: UnitDescription, output: Output): void {
  const { meaning, build, via, inert } = found
  if (meaning !== undefined) {
    output.print(winnerLine(meaning.name, found.name, moduleTitle(found.module), meaning.because))
    showLosers(meaning.losers, output)
  }
  const facts: readonly (readonly [string, Json | undefined])[] = [
    [found.kind, found.name],
    ['version', `${found.version}, release ${found.release}`],
    ['description', found.description],
    ['license', found.license],
    ['declared', place(found.at)],
    ['class', via.join(' → ')],
    ['module', moduleTitle(found.module)],
    ['distro', found.distro],
    ['machine', found.machine],
    ...(inert === undefined ? [] : [['inert', inert] as const]),
    ...Object.entries({ ...found.details, ...longOnes(found) }),
    ['key', build?.hash],
    ['state', build === undefined ? undefined : build.state === 'cached' ? 'cached' : `${build.state}: ${build.why}`],
    ['files', build?.files.map(({ name, size }) => `${name} (${bytes(size)})`)],
  ]
  showFacts(facts, output)
}

/** What is in an image fills pages: its number, and what to type. */
function longOnes({ kind, name, details }: UnitDescription): Readonly<Record<string, Json>> {
  const { packages } = details
  return kind === 'unit' || !Array.isArray(packages) ? {} : { packages: `${packages.length}: yoe list in:${name}` }
}

function winnerLine(name: string, winner: string, from: string, because: string): string {
  return `${shown(name)} is ${winner === name ? `that of ${from}` : `${winner} (${from})`}: ${because}`
}

function showLosers(losers: FeedDescription['losers'], output: Output): void {
  const rows = losers.map(({ name, from, at }) => [
    `  not ${shown(name)}`,
    `(${shown(moduleTitle(from))})`,
    output.paint('dim', at === undefined ? '' : place(at)),
  ])
  for (const line of table(rows)) output.print(line)
  output.print()
}

function showMachine(found: MachineDescription, output: Output): void {
  showFacts(
    [
      ['machine', found.name],
      ['arch', found.arch],
      ['description', found.description],
      ['declared', place(found.at)],
      ['module', moduleTitle(found.module)],
      ...Object.entries(found.details),
    ],
    output,
  )
  const rows = found.images.map(({ name, distro, inert }) => [
    `  ${name}`,
    distro ?? output.paint('dim', shown(inert ?? '')),
  ])
  if (rows.length > 0) output.print(output.paint('bold', 'images'))
  for (const line of table(rows)) output.print(line)
}

function showFeed({ name, real, because, losers, packages }: FeedDescription, output: Output): void {
  if (because !== undefined) {
    const [first] = packages
    output.print(winnerLine(name, first?.name ?? '', first?.feed ?? '', because))
    showLosers(losers, output)
  }
  if (!real) output.print(`${shown(name)} is provided by ${packages.length === 1 ? 'a package' : 'packages'} of feeds:`)
  packages.forEach((one, index) => {
    if (index > 0) output.print()
    showFacts(
      [
        ['package', one.name],
        ['version', one.version],
        ['feed', one.feed],
        ['arch', one.arch],
        ['size', bytes(one.size)],
        ['depends', one.depends],
        ['provides', one.provides],
        ['conflicts', one.conflicts],
      ],
      output,
    )
  })
}

function showFacts(facts: readonly (readonly [string, Json | undefined])[], output: Output): void {
  const rows = facts.flatMap(([name, value]) => {
    const text = Array.isArray(value) ? value.join(', ') : String(value ?? '')
    return text === '' ? [] : [[output.paint('bold', name), shown(text)]]
  })
  for (const line of table(rows)) output.print(line)
}

const place = ({ file, line }: { readonly file: string; readonly line: number }): string => `${file}:${line}`
