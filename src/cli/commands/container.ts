import { architectures } from '#engine/arch.ts'
import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { ArchState, ContainerInfo } from '#toolkit/containers.ts'
import type { Invocation } from '../command.ts'
import { command, projectOptions } from '../command.ts'
import type { Output } from '../output.ts'
import { table } from '../output.ts'
import { workspaceOf } from '../project.ts'
import { shown } from '../shown.ts'

const options = {
  ...projectOptions,
  out: { type: 'string', value: 'FILE', help: 'export: the file to write', completes: 'file' },
  force: { type: 'boolean', help: 'build: although nothing changed' },
} as const

type ContainerInvocation = Invocation<typeof options>

const many = Number.POSITIVE_INFINITY

/** What may be done with containers, and the fewest and most names that it takes. */
const verbs: Readonly<
  Record<
    string,
    {
      readonly names: readonly [number, number]
      run(invocation: ContainerInvocation, names: readonly string[]): Promise<void>
    }
  >
> = {
  list: { names: [0, 0], run: list },
  build: { names: [0, many], run: build },
  status: { names: [0, many], run: status },
  export: { names: [1, 1], run: exportOne },
  binfmt: { names: [0, 0], run: binfmt },
}

export const container = command({
  usage: 'container list|build|status|export|binfmt [NAME…]',
  summary: 'build, list and export the containers that tasks run in',
  details: `list             containers of this project, and what each is made of
build [NAME…]    makes them; without a name, those that the default image is built in
status [NAME…]   which of them are there, and which architectures can be built here
export NAME      writes one as an image (an OCI layout) that docker load and skopeo take
binfmt           as root: makes programs of other architectures run here, by QEMU, until the next boot

Builds make the containers that they need; nothing needs build first.

  yoe container build toolchain
  yoe container export toolchain --machine qemu-arm64 --out toolchain.tar
  sudo yoe container binfmt`,
  options,
  positionals: [1, many],
  completes: [Object.keys(verbs), 'target'],
  async run(invocation) {
    const [verb = '', ...names] = invocation.positionals
    const entry = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (entry === undefined) {
      throw new YoeError('USAGE', `yoe container has no "${verb}"`, {
        hint: didYouMean(verb, Object.keys(verbs)) ?? `it has ${Object.keys(verbs).join(', ')}`,
      })
    }
    const [least, most] = entry.names
    if (names.length < least || names.length > most) {
      throw new YoeError(
        'USAGE',
        `yoe container ${verb} takes ${most === 0 ? 'no name' : 'the name of one container'}`,
        { hint: 'yoe container --help' },
      )
    }
    await entry.run(invocation, names)
    return 0
  },
})

async function list(invocation: ContainerInvocation): Promise<void> {
  const { output, values } = invocation
  const { listContainers } = await import('#toolkit/containers.ts')
  const containers = await listContainers(workspaceOf(invocation), values)
  if (output.json) {
    output.printJson(containers)
    return
  }
  if (containers.length === 0) output.print('this project has no containers')
  const rows = containers.map((one) => [shown(one.name), one.provides.map(shown).join(', '), madeOf(one), place(one)])
  if (rows.length > 0)
    for (const line of table([heads(output, 'Container', 'Provides', 'Made of', 'At'), ...rows])) output.print(line)
}

const heads = (output: Output, ...titles: readonly string[]): readonly string[] =>
  titles.map((title) => output.paint('bold', title))

function madeOf({ from, of }: ContainerInfo): string {
  if (from === 'packages') return `${of.length} package${of.length === 1 ? '' : 's'}`
  return `${from === 'image' ? 'image ' : ''}${shown(of[0] ?? '')}`
}

const place = ({ file, line }: ContainerInfo): string => `${shown(file)}:${line}`

async function build(invocation: ContainerInvocation, names: readonly string[]): Promise<void> {
  const { output, values } = invocation
  const { buildContainers } = await import('#toolkit/containers.ts')
  const reports = await buildContainers(workspaceOf(invocation), values, names, values.force)
  const done = reports.map(({ node, outcome, ms }) => ({
    name: node.unit.name,
    arch: node.arch,
    outcome,
    ms: Math.round(ms),
  }))
  if (output.json) output.printJson(done)
  else
    output.print(
      `${done.filter(({ outcome }) => outcome === 'built').length} built, ${done.filter(({ outcome }) => outcome !== 'built').length} there already`,
    )
}

async function status(invocation: ContainerInvocation, names: readonly string[]): Promise<void> {
  const { output, values } = invocation
  const { archStates, containerStates } = await import('#toolkit/containers.ts')
  const containers = await containerStates(workspaceOf(invocation), values, names)
  const architectures = await archStates()
  if (output.json) {
    output.printJson({ containers, architectures })
    return
  }
  for (const line of table(
    containers.map(({ name, arch, state, size }) => [
      output.paint(state === 'built' ? 'green' : 'yellow', state),
      shown(name),
      arch,
      size === undefined ? '' : `${Math.ceil(size / 2 ** 20)} MiB`,
    ]),
  ))
    output.print(line)
  output.print()
  for (const line of table(architectures.map((arch) => archRow(arch, output)))) output.print(line)
}

function archRow(state: ArchState, output: Output): readonly string[] {
  const { arch, kind } = state
  switch (kind) {
    case 'native':
      return [output.paint('green', 'native'), arch, 'this machine', '']
    case 'emulated':
      return [output.paint('green', 'emulated'), arch, state.interpreter, '']
    case 'missing':
      return [output.paint('yellow', 'missing'), arch, state.reason, state.hint]
    default:
      return kind satisfies never
  }
}

async function exportOne(invocation: ContainerInvocation, [name = '']: readonly string[]): Promise<void> {
  const { output, values } = invocation
  if (values.out === undefined)
    throw new YoeError('USAGE', 'yoe container export does not say where to', {
      hint: `yoe container export ${name} --out ${name.replaceAll(/[^\w.-]/g, '-')}.tar`,
    })
  const { exportContainer } = await import('#toolkit/containers.ts')
  const exported = await exportContainer(workspaceOf(invocation), values, name, values.out)
  if (output.json) output.printJson(exported)
  else output.print(`${exported.path}\ndocker load -i ${values.out} makes it ${exported.name}`)
}

async function binfmt({ output }: ContainerInvocation): Promise<void> {
  const { registerEmulators } = await import('#engine/build/binfmt.ts')
  const done = await registerEmulators(architectures)
  if (output.json) {
    output.printJson(done)
    return
  }
  const rows = done.map(({ arch, outcome, hint = '' }) => [
    output.paint(outcome === 'no emulator' ? 'red' : 'green', outcome),
    arch,
    hint,
  ])
  for (const line of table(rows)) output.print(line)
}
