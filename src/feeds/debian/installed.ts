import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { canonical, type Look } from '#engine/qa/dangling.ts'
import { errorCode } from '#engine/store/disk.ts'
import { lookAmong } from '../shared/installed.ts'
import { parseRelation } from './names.ts'

/**
 * The files of a root that are on a device, too: those of packages that every system has, and of the named ones and all
 * that they depend on. The rest of a toolchain is not.
 *
 * @param root absolute folder of an unpacked root with a dpkg database
 */
export function lookIntoInstalled(root: string, names: readonly string[]): Look {
  return lookAmong(root, () => filesOf(root, names))
}

async function filesOf(root: string, names: readonly string[]): Promise<ReadonlySet<string>> {
  const database = join(root, 'var/lib/dpkg')
  const stanzas = (await readOr(join(database, 'status'))).split(/\n\n+/)
  const packages = new Map(stanzas.map((stanza) => [/^Package: (.*)$/m.exec(stanza)?.[1] ?? '', stanza]))
  const providers = new Map<string, string>()
  for (const [name, stanza] of packages) for (const each of relationsIn(stanza, 'Provides')) providers.set(each, name)
  const wanted = new Set<string>()
  const add = (asked: string): void => {
    const name = packages.has(asked) ? asked : providers.get(asked)
    const stanza = name === undefined ? undefined : packages.get(name)
    if (name === undefined || stanza === undefined || wanted.has(name)) return
    wanted.add(name)
    for (const field of ['Depends', 'Pre-Depends']) for (const each of relationsIn(stanza, field)) add(each)
  }
  for (const [name, stanza] of packages) if (/^Essential: yes$/m.test(stanza)) add(name)
  names.forEach(add)
  const files = new Set<string>()
  const lists = await readdir(join(database, 'info')).catch(() => [])
  for (const list of lists) {
    if (!list.endsWith('.list') || !wanted.has(list.slice(0, -5).replace(/:.*/, ''))) continue
    for (const path of (await readOr(join(database, 'info', list))).split('\n')) files.add(canonical(path))
  }
  return files
}

function relationsIn(stanza: string, field: string): readonly string[] {
  const value = new RegExp(`^${field}: (.*)$`, 'm').exec(stanza)?.[1] ?? ''
  return value.split(/[,|]/).flatMap((text) => parseRelation(text.trim().replace(/:any\b/, ''))?.name ?? [])
}

async function readOr(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (failure) {
    if (errorCode(failure) === 'ENOENT') return ''
    throw failure
  }
}
