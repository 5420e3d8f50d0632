import type { DestEntry, ScannedTree } from '#engine/build/destdir.ts'
import { readerOf } from '#engine/build/destdir.ts'
import type { Dependency, Provided } from '#engine/catalog/package.ts'
import { pythonMinors } from '../shared/python.ts'
import { isVersion } from './version.ts'

/** Where commands are that everybody may call. */
const commandFolder = /^(?:usr\/)?s?bin\/([A-Za-z0-9_.+:-]+)$/
const pcFile = /^usr\/(?:lib|share)\/pkgconfig\/([A-Za-z0-9_.+-]+)\.pc$/

/** What a package's files offer to others, and ask of them. */
export interface FoundInFiles {
  readonly provides: readonly Provided[]
  readonly depends: readonly Dependency[]
}

/**
 * The commands and pkg-config modules that a package has, as abuild finds them, and what those need: interpreters of
 * scripts, modules that modules require, the version of Python that compiled extensions are for.
 *
 * @param version of the package
 * @param modules pkg-config modules that other packages provide: what is in none of them is not asked for
 * @see abuild(1): scan_commands, scan_pkgconfig
 */
export async function foundInFiles(
  tree: ScannedTree,
  version: string,
  modules: ReadonlySet<string>,
): Promise<FoundInFiles> {
  const commands = new Set<string>()
  const interpreters = new Set<string>()
  const own = new Map<string, string>()
  const required = new Map<string, Dependency>()
  for (const entry of tree.entries) {
    const path = entry.path.toString('latin1')
    const command = isCommand(entry) ? commandFolder.exec(path)?.[1] : undefined
    if (command !== undefined) {
      commands.add(command)
      const interpreter = await interpreterOf(tree, entry)
      if (interpreter !== undefined) interpreters.add(interpreter)
    }
    const module = pcFile.exec(path)?.[1]
    if (module === undefined || entry.kind !== 'file') continue
    const text = expanded(await beginningOf(tree, entry, 1 << 16))
    const said = /^Version:[ \t]*(\S+)/m.exec(text)?.[1] ?? ''
    own.set(module, isVersion(said) ? said : version)
    for (const one of requiresOf(text)) required.set(`${one.name} ${one.version?.version ?? ''}`, one)
  }
  return {
    provides: [
      ...[...commands].sort().map((name) => ({ name: `cmd:${name}`, version })),
      ...[...own].sort().map(([name, its]) => ({ name: `pc:${name}`, version: its })),
    ],
    depends: [
      ...[...interpreters].sort().flatMap((each): readonly Dependency[] => {
        if (each === '/bin/sh') return [{ name: each }]
        const name = each.slice(each.lastIndexOf('/') + 1)
        return commands.has(name) ? [] : [{ name: `cmd:${name}` }]
      }),
      ...[...required.values()].flatMap((one) =>
        own.has(one.name) || !modules.has(one.name) ? [] : [{ ...one, name: `pc:${one.name}` }],
      ),
      ...pythonMinors(tree).map(
        (minor): Dependency => ({ name: 'python3', version: { relation: '~', version: `3.${minor}` } }),
      ),
    ],
  }
}

const isCommand = ({ kind, mode }: DestEntry): boolean =>
  kind === 'symlink' || (kind !== 'directory' && (mode & 0o111) !== 0)

/** `#!/usr/bin/env python3` means python3. */
async function interpreterOf(tree: ScannedTree, entry: DestEntry): Promise<string | undefined> {
  if (entry.kind !== 'file' || entry.size < 4) return undefined
  const line = (await beginningOf(tree, entry, 256)).split('\n', 1)[0] ?? ''
  const [, env, direct] =
    /^#![ \t]*(?:(?:\/usr)?\/bin\/env[ \t]+(?:-S[ \t]+)?([A-Za-z0-9_.+-]+)|(\/[A-Za-z0-9_.+/-]+))/.exec(line) ?? []
  return env ?? direct
}

async function beginningOf(tree: ScannedTree, entry: DestEntry, length: number): Promise<string> {
  using file = tree.open(entry)
  return (await readerOf(file, entry.size)(0, length)).toString('latin1')
}

/** A .pc file with its variables put in. */
function expanded(text: string): string {
  const variables = new Map(
    [...text.matchAll(/^([A-Za-z0-9_.]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  )
  return text.replaceAll(/\$\{([^}]*)\}/g, (_, name: string) => variables.get(name) ?? '')
}

/** `Requires` and `Requires.private`: names, some with an operator and a version. @see pkg-config(1) */
function requiresOf(text: string): readonly Dependency[] {
  const lists = [...text.matchAll(/^Requires(?:\.private)?:[ \t]*(.*)$/gm)].map(([, list = '']) => list)
  return [...lists.join(' ').matchAll(/([A-Za-z0-9_.+-]+)(?:[ \t]*(>=|<=|=|<|>)[ \t]*([^\s,]+))?/g)].map(
    ([, name = '', operator = '', wanted = '']): Dependency => {
      const relation = operators[operator]
      return relation === undefined || !isVersion(wanted) ? { name } : { name, version: { relation, version: wanted } }
    },
  )
}

const operators: Readonly<Record<string, '>=' | '<=' | '=' | '<<' | '>>' | undefined>> = {
  '>=': '>=',
  '<=': '<=',
  '=': '=',
  '<': '<<',
  '>': '>>',
}
