import { YoeError } from '../errors.ts'
import { isUrlOf, requireAddress } from './git-run.ts'
import { shownUrl } from './url.ts'

/** A commit that a tree names in the place of a folder. */
export interface Gitlink {
  readonly path: string
  readonly commit: string
}

/** The gitlinks in what `git ls-tree -r -z` prints. */
export function parseGitlinks(text: string): readonly Gitlink[] {
  return text.split('\0').flatMap((line) => {
    const [, commit, path] = /^160000 commit ([0-9a-f]{40})\t(.+)$/s.exec(line) ?? []
    return commit === undefined || path === undefined ? [] : [{ commit, path }]
  })
}

/** Addresses by path, from what `git config -z --list` prints of a `.gitmodules`. */
export function parseModules(text: string): ReadonlyMap<string, string> {
  const byName = new Map<string, { path?: string; url?: string }>()
  for (const entry of text.split('\0')) {
    const [, name, field, value] = /^submodule\.(.*)\.(path|url)\n(.*)$/s.exec(entry) ?? []
    if (name === undefined || value === undefined) continue
    const known = byName.get(name) ?? {}
    byName.set(name, field === 'path' ? { ...known, path: value } : { ...known, url: value })
  }
  const urls = new Map<string, string>()
  for (const { path, url } of byName.values()) if (path !== undefined && url !== undefined) urls.set(path, url)
  return urls
}

/**
 * Where a submodule is fetched from.
 *
 * @param parent address of the repository that names it
 * @param declared as in its `.gitmodules`; relative ones start at the parent
 * @throws {YoeError} BAD_FIELD for what git must not be sent to, leaves the server, or is on this machine while the parent
 *   is not
 */
export function submoduleUrl(parent: string, declared: string, path: string): string {
  const refuse = (why: string): YoeError =>
    new YoeError('BAD_FIELD', `the submodule ${JSON.stringify(path)} of ${shownUrl(parent)} ${why}`, {
      hint: 'submodules = False leaves submodules out; a list of paths takes only these',
    })
  const url = /^\.\.?(\/|$)/.test(declared) ? relative(parent, declared) : declared
  if (url === undefined) throw refuse(`has the address ${JSON.stringify(declared)}, which leaves the server`)
  try {
    requireAddress(url)
  } catch {
    throw refuse(`has the address ${JSON.stringify(shownUrl(url))}, where git must not be sent`)
  }
  if (/(^|[/:])\.\.(\/|$)/.test(url)) throw refuse(`has the address ${JSON.stringify(shownUrl(url))}, which climbs`)
  if (isUrlOf(url, 'file') && !isUrlOf(parent, 'file')) throw refuse('is said to lie on this machine')
  return url
}

/** As `git submodule` does it: each `../` takes a part of the parent's path away. Undefined when there is none left. */
function relative(parent: string, declared: string): string | undefined {
  const [, root = '', rest = ''] =
    /^([a-z][a-z0-9+.-]*:\/\/[^/]*\/)(.*)$/i.exec(parent) ?? /^([^/:]+:\/?)(.*)$/.exec(parent) ?? []
  const parts = rest.split('/').filter((part) => part !== '')
  for (const part of declared.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) return undefined
  }
  return parts.length === 0 ? undefined : root + parts.join('/')
}
