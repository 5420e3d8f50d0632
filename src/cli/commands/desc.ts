import { inspectPlan } from '#toolkit/inspect.ts'
import { makePlan } from '#toolkit/planning.ts'
import { command, projectOptions } from '../command.ts'
import { table } from '../output.ts'
import { workspaceOf } from '../project.ts'

export const desc = command({
  usage: 'desc UNIT [--inputs]',
  summary: 'describe one unit',
  details: `Describes a unit as the build sees it: what it needs, its key, and whether its result is cached.

  yoe desc sensord
  yoe desc sensord --inputs    what its key is made of`,
  options: { ...projectOptions, inputs: { type: 'boolean', help: 'print the document that the key is the digest of' } },
  positionals: [1, 1],
  async run(invocation) {
    const { values, positionals, output } = invocation
    const plan = await makePlan(workspaceOf(invocation), {
      machine: values.machine,
      distro: values.distro,
      targets: positionals,
    })
    const [node] = plan.targets
    const key = node === undefined ? undefined : plan.keys.get(node)
    if (node === undefined || key === undefined) throw new TypeError('a plan without its target')
    if (values.inputs) {
      output.printJson(key.inputs)
      return 0
    }
    const state = (await inspectPlan(plan)).find((entry) => entry.node === node)
    const { unit } = node
    const facts: Record<string, unknown> = {
      unit: unit.name,
      kind: node.kind,
      version: unit.version,
      release: unit.release,
      description: unit.description,
      license: unit.license,
      declared: `${unit.at.file}:${unit.at.line}`,
      via: unit.builtVia,
      distro: node.distro,
      hash: key.hash,
      state: state?.state,
      why: state?.why,
      files: state?.manifest?.files.map(({ name }) => name) ?? [],
      ...details(node),
    }
    if (output.json) output.printJson(facts)
    else {
      const shown = Object.entries(facts).flatMap(([name, value]) => {
        const text = Array.isArray(value) ? value.join(', ') : String(value ?? '')
        return text === '' ? [] : [[output.paint('bold', name), text]]
      })
      for (const line of table(shown)) output.print(line)
    }
    return 0
  },
})

type Target = Awaited<ReturnType<typeof makePlan>>['targets'][number]

function details(node: Target): Record<string, unknown> {
  switch (node.kind) {
    case 'package':
      return {
        source:
          node.unit.source === undefined
            ? ''
            : 'urls' in node.unit.source
              ? node.unit.source.urls[0]
              : 'url' in node.unit.source
                ? node.unit.source.url
                : `//${node.unit.source.place.path}`,
        container: node.toolchain?.unit.name,
        sysroot: [
          ...node.sysroot.map((dependency) => dependency.unit.name),
          ...node.sysrootFeed.map((record) => record.name),
        ],
        runtime_deps: node.runtimeDeps,
        provides: node.unit.provides,
        services: node.unit.services,
      }
    case 'toolchain':
      return { packages: node.packages.map((record) => record.name) }
    case 'image':
      return {
        machine: node.machine.name,
        units: node.units.map((dependency) => dependency.unit.name),
        packages: node.closure.map((record) => record.name),
      }
    default:
      return node satisfies never
  }
}
