import type { DevSource } from '#engine/plan/dev-source.ts'
import { inOrder } from '#engine/plan/graph.ts'
import type { Plan } from '../planning.ts'

/** Says which units of a plan are not built from what they declare. @param publishing the result goes to others */
export function warnOfDev({ targets, keys, workspace }: Plan, publishing: boolean): void {
  for (const node of inOrder(targets)) {
    const dev = keys.get(node)?.dev
    if (dev === undefined) continue
    const { name, at, version } = node.unit
    const other =
      dev.behind !== undefined
        ? `; its tree is ${dev.behind}, and ${version} will not be built before it is pinned`
        : dev.former !== undefined
          ? `; its tree is ${dev.former}, and so is its sha256 or tag: what is called ${version} now is ${dev.former}`
          : ''
    workspace.report({
      type: 'warning',
      message: publishing
        ? `${name} is in dev mode: what is published has ${pastUpstream(dev)}, which nobody else can build`
        : `${name} is in dev mode (${pastUpstream(dev)}): source, tag and patches that it declares do not apply${other}`,
      at,
      hint: `yoe dev status; yoe dev pin ${name} goes back`,
    })
  }
}

/** `2 commits and 1 edit past upstream: auth.c, main.c`. */
function pastUpstream({ commits, edits, files }: DevSource): string {
  const count = (many: number, what: string): readonly string[] =>
    many === 0 ? [] : [`${many} ${what}${many === 1 ? '' : 's'}`]
  const what = [...count(commits, 'commit'), ...count(edits.length, 'edit')].join(' and ') || 'nothing'
  const named = files.slice(0, 3).join(', ') + (files.length > 3 ? ', …' : '')
  return `${what} past upstream${named === '' ? '' : `: ${named}`}`
}
