import { resolve } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { BundlePart, BundleSummary } from '#toolkit/bundle/summary.ts'
import type { Invocation } from '../command.ts'
import { command, projectOptions, remoteCacheOptions, workerOption } from '../command.ts'
import type { Output } from '../output.ts'
import { bytes, table } from '../output.ts'
import { workspaceOf } from '../project.ts'
import { shown } from '../shown.ts'

const options = {
  ...projectOptions,
  ...workerOption,
  ...remoteCacheOptions,
  out: { type: 'string', value: 'FILE', completes: 'file', help: 'export: the file to write' },
  all: { type: 'boolean', help: "export: every image of the project's own machines" },
  sign: {
    type: 'string',
    value: 'FILE',
    completes: 'file',
    help: "export: the private key to sign with (default: the project's cache key)",
  },
  verify: {
    type: 'string',
    value: 'KEY',
    completes: 'file',
    help: 'import: believe this public key, or those in this file (default: those that the project names)',
  },
  unsigned: { type: 'boolean', help: 'import: take it whoever signed it, or nobody' },
} as const

type BundleInvocation = Invocation<typeof options>
const flags = [
  ...(['out', 'all', 'sign', 'verify', 'unsigned', 'machine', 'distro', 'worker'] as const),
  ...(['remote-cache', 'no-remote-cache'] as const),
] as const
type Flag = (typeof flags)[number]

interface Verb {
  readonly run: (invocation: BundleInvocation, args: readonly string[]) => Promise<number>
  readonly takes: readonly Flag[]
}

const verbs: Readonly<Record<string, Verb>> = {
  export: { run: exportTo, takes: flags.filter((flag) => flag !== 'verify' && flag !== 'unsigned') },
  import: { run: importFrom, takes: ['verify', 'unsigned'] },
  inspect: { run: inspect, takes: [] },
}

export const bundle = command({
  usage: 'bundle export|import|inspect [NAME…|FILE]',
  summary: 'carry what targets need to machines without a network',
  details: `export [NAME…]  writes what units and images (or the default image) are built from, and what was built, to one file
import FILE     takes such a file into the cache: from then on the targets build without a network
inspect FILE    says what is in one, and who signed it

A bundle holds results, sources, modules, package lists and packages of feeds, and the roots that tasks run in. It is
signed with the project's cache key, and taken only from keys that the project names.

  yoe bundle export base-image --out base-image.bundle
  yoe bundle import base-image.bundle
  yoe build base-image --offline`,
  options,
  positionals: [1, Number.POSITIVE_INFINITY],
  completes: [Object.keys(verbs), 'target'],
  async run(invocation) {
    const [verb = '', ...args] = invocation.positionals
    const chosen = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (chosen === undefined) {
      throw new YoeError('USAGE', `yoe bundle has no "${verb}"`, {
        hint: didYouMean(verb, Object.keys(verbs)) ?? `it has ${Object.keys(verbs).join(', ')}`,
      })
    }
    for (const flag of flags) {
      const given = invocation.values[flag]
      if (given === undefined || given === false || chosen.takes.includes(flag)) continue
      if (Array.isArray(given) && given.length === 0) continue
      throw new YoeError('USAGE', `yoe bundle ${verb} takes no --${flag}`, { hint: 'yoe help bundle' })
    }
    return chosen.run(invocation, args)
  },
})

async function exportTo(invocation: BundleInvocation, names: readonly string[]): Promise<number> {
  const { values, output } = invocation
  const { machine, distro, all, out, sign } = values
  if (out === undefined)
    throw new YoeError('USAGE', 'say which file to write', {
      hint: `yoe bundle export ${[...names, '--out'].join(' ')} ${names[0] ?? 'project'}.bundle`,
    })
  if (all && names.length > 0)
    throw new YoeError('USAGE', '--all takes no names', { hint: `yoe bundle export --all --out ${out}` })
  const [{ exportBundle }, { defaultJobs }] = await Promise.all([
    import('#toolkit/bundle/export.ts'),
    import('#toolkit/planning.ts'),
  ])
  const workspace = workspaceOf(invocation)
  const jobs = workspace.local.settings.parallel_builds ?? defaultJobs
  const made = await exportBundle(workspace, { machine, distro, names, all, out, sign, jobs })
  if (output.json) output.printJson(made)
  else {
    show(made, output)
    output.print(made.out)
  }
  return 0
}

async function importFrom(invocation: BundleInvocation, args: readonly string[]): Promise<number> {
  const { values, output } = invocation
  const { importBundle } = await import('#toolkit/bundle/import.ts')
  const path = fileOf('import', args)
  const { verify, unsigned } = values
  if (verify !== undefined && unsigned)
    throw new YoeError('USAGE', '--verify and --unsigned say opposite things', { hint: 'give one of them' })
  const taken = await importBundle(workspaceOf(invocation), { path, verify, unsigned })
  if (output.json) {
    output.printJson(taken)
    return 0
  }
  const { results, commits, objects, bytes: size, fits } = taken
  output.print(`took ${results} results, ${commits} commits and ${objects} objects (${bytes(size)})`)
  const rows = fits.map(({ target, machine, distro, needed, here }) => [
    output.paint(here === needed ? 'green' : 'yellow', here === needed ? 'complete' : 'differs'),
    `${shown(machine)}/${shown(target)}`,
    shown(distro),
    `${here} of ${needed} results here`,
  ])
  for (const line of table(rows)) output.print(line)
  if (fits.some(({ here, needed }) => here < needed))
    output.print('What is not here is built: this project is not quite the one that the bundle was made of.')
  return 0
}

async function inspect(invocation: BundleInvocation, args: readonly string[]): Promise<number> {
  const { output, cwd } = invocation
  const { inspectBundle } = await import('#toolkit/bundle/import.ts')
  const found = await inspectBundle(resolve(cwd, fileOf('inspect', args)))
  if (output.json) {
    output.printJson(found)
    return 0
  }
  const titles = {
    ...{ result: 'result', layer: 'layer', archive: 'source', git: 'source', lfs: 'source', module: 'module' },
    feed: 'feed',
  }
  const rows = found.parts.flatMap(({ kind, title, id, size }) =>
    kind === 'package' ? [] : [[titles[kind], shown(title), bytes(size), output.paint('dim', idOf(kind, id))]],
  )
  for (const line of table(rows)) output.print(line)
  if (rows.length > 0) output.print()
  show(found, output)
  return 0
}

/** Short enough for a table; what has an architecture keeps it. */
function idOf(kind: BundlePart['kind'], id: string): string {
  const [arch = '', hash = ''] = id.split('/')
  return kind === 'result' || kind === 'layer' ? `${arch}/${hash.slice(0, 12)}` : id.slice(0, 12)
}

const kinds: readonly (readonly [string, readonly BundlePart['kind'][]])[] = [
  ['results', ['result']],
  ['layers', ['layer']],
  ['sources', ['archive', 'git', 'lfs']],
  ['modules', ['module']],
  ['feeds', ['feed']],
  ['packages', ['package']],
]

function show({ project, targets, signer, size, objects, parts }: BundleSummary, output: Output): void {
  const rows = kinds.map(([title, chosen]) => {
    const some = parts.filter(({ kind }) => chosen.includes(kind))
    return [title, String(some.length), bytes(some.reduce((sum, part) => sum + part.size, 0))]
  })
  const by = signer === null ? output.paint('yellow', 'nobody') : `key ${signer}`
  for (const line of table([
    ['project', shown(project)],
    ['targets', targets.map(({ name, machine, distro }) => shown(`${machine}/${name} (${distro})`)).join(', ')],
    ['signed by', by],
    ['file', `${bytes(size)}, ${objects} objects`],
  ]))
    output.print(line)
  output.print()
  for (const line of table(rows)) output.print(line)
}

function fileOf(verb: string, args: readonly string[]): string {
  const [path, ...more] = args
  if (path !== undefined && more.length === 0) return path
  throw new YoeError('USAGE', `yoe bundle ${verb} takes one file`, { hint: `yoe bundle ${verb} FILE` })
}
