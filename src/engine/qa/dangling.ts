import { lstat, readlink } from 'node:fs/promises'
import { join, posix } from 'node:path'
import type { DestEntry } from '../build/destdir.ts'
import { shown } from '../shown.ts'
import { errorCode } from '../store/disk.ts'
import type { Finding } from './finding.ts'

/** What is at an absolute path: a folder, something else, a link and its text, or nothing. */
export type Found = 'directory' | 'file' | { readonly link: string } | undefined
export type Look = (path: string) => Found | Promise<Found>

/** What systems fill when they run, or programs at their own will. */
const volatile = /^\/(proc|sys|dev|run|tmp|var\/(run|lock|tmp)|etc\/alternatives)(\/|$)/

/** Folders that distributions have merged into /usr: links of either kind mean the same file. */
export const canonical = (path: string): string => path.replace(/^\/(bin|sbin|lib|lib64)(?=\/|$)/, '/usr/$1')

/** The entries of packages, by their absolute paths. */
export function lookInto(entries: readonly DestEntry[]): Look {
  let known: ReadonlyMap<string, DestEntry> | undefined
  return (path) => {
    // Most packages have no link that anybody asks for.
    known ??= new Map(entries.map((entry) => [canonical(`/${entry.path.toString('latin1')}`), entry]))
    const entry = known.get(path)
    if (entry?.kind === 'symlink') return { link: entry.target?.toString('latin1') ?? '' }
    return entry === undefined ? undefined : entry.kind === 'directory' ? 'directory' : 'file'
  }
}

/** A folder of this machine as a root; nothing in it is followed out of it. */
export const lookBelow =
  (root: string): Look =>
  async (path) => {
    const place = Buffer.from(join(root, path), 'latin1')
    try {
      const stat = await lstat(place)
      if (stat.isSymbolicLink()) return { link: (await readlink(place, { encoding: 'buffer' })).toString('latin1') }
      return stat.isDirectory() ? 'directory' : 'file'
    } catch (failure) {
      if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(errorCode(failure) ?? '')) return undefined
      throw failure
    }
  }

/**
 * Symbolic links that lead to nothing.
 *
 * @param links of one package
 * @param places what may be relied on where it is installed: itself, packages that it needs, its dependencies
 */
export async function checkLinks(links: readonly DestEntry[], places: readonly Look[]): Promise<readonly Finding[]> {
  const look: Look = async (path) => {
    for (const place of places) {
      const found = await place(path)
      if (found !== undefined) return found
    }
    return undefined
  }
  const findings: Finding[] = []
  for (const { path, target = Buffer.alloc(0) } of links) {
    if (await leads(`/${path.toString('latin1')}`, look)) continue
    findings.push({
      check: 'dangling',
      paths: [`/${shown(path)}`],
      message: `leads to ${shown(target)}, which neither the package nor its dependencies have`,
      hint: 'install what it leads to, remove it in a task, or add the package that brings it to deps and runtime_deps',
    })
  }
  return findings
}

/** Follows links from one name to the next, as the kernel would: at most 40 of them. */
async function leads(start: string, look: Look): Promise<boolean> {
  let todo = start.split('/').filter((name) => name !== '')
  let at = '/'
  for (let links = 0; todo.length > 0; ) {
    const [name = '', ...rest] = todo
    todo = rest
    if (name === '.' || name === '') continue
    const next = canonical(posix.join(at, name))
    if (name === '..') {
      at = next
      continue
    }
    if (volatile.test(`${next}/`) && links > 0) return true
    const found = await look(next)
    if (found === undefined) return false
    if (found === 'file') return todo.length === 0
    if (found === 'directory') {
      at = next
      continue
    }
    if (++links > 40) return false
    if (found.link.startsWith('/')) at = '/'
    todo = [...found.link.split('/').filter((part) => part !== ''), ...todo]
  }
  return true
}
