import type { Position } from '../errors.ts'

/** A folder of a repository at a ref. */
export interface GitModule {
  readonly kind: 'git'
  /** As declared, but for a missing scheme. */
  readonly url: string
  /** The name of a tag or branch, or a commit. */
  readonly ref: string
  /** The module's folder in the repository; '' for the repository itself. */
  readonly path: string
}

/** Where a module lies: shipped with this tool, in a folder of this machine, or in a repository. */
export type ModulePlace =
  | { readonly kind: 'shipped' }
  /** Relative to whatever declares it: the project, or the module. */
  | { readonly kind: 'local'; readonly folder: string }
  | GitModule

/** One `module(…)` of a project or of another module. */
export interface ModuleReference {
  /** What `load("@name//…")` says. */
  readonly name: string
  readonly from: ModulePlace
  readonly at: Position
}

/**
 * A repository's address as it is compared: without `.git`, a slash at the end, or a user's credentials; scheme and host
 * in small letters.
 * @see seed, Canonical identity and dedup
 */
export function canonicalUrl(url: string): string {
  const bare = url.replace(/\/+$/, '').replace(/\.git$/, '')
  return bare.replace(/^(https?:\/\/)[^/@]*@/i, '$1').replace(/^[a-z]+:\/\/[^/]*/i, (head) => {
    const at = head.lastIndexOf('@') + 1
    return at === 0 ? head.toLowerCase() : head.slice(0, at) + head.slice(at).toLowerCase()
  })
}

/** Whatever differs between two modules that are not the same: repository and folder, without the ref. */
export function repositoryOf(name: string, from: ModulePlace): string {
  switch (from.kind) {
    case 'shipped':
      return `yoe:${name}`
    case 'local':
      return `local:${from.folder}`
    case 'git':
      return `${canonicalUrl(from.url)}${from.path === '' ? '' : `//${from.path}`}`
    default:
      return from satisfies never
  }
}

/** Tells one version of a module from every other. @param from a local folder must be absolute, links resolved */
export function identityOf(name: string, from: ModulePlace): string {
  return from.kind === 'git' ? `${repositoryOf(name, from)} ${from.ref}` : repositoryOf(name, from)
}

/** As people read it: `https://github.com/vendor/hal at v1.3.0`. */
export function shownPlace(name: string, from: ModulePlace): string {
  switch (from.kind) {
    case 'shipped':
      return `yoe:${name}`
    case 'local':
      return `the folder ${from.folder}`
    case 'git':
      return `${repositoryOf(name, from)} at ${from.ref}`
    default:
      return from satisfies never
  }
}

/** The line that declares it in a list of modules. */
export function declarationOf(name: string, from: ModulePlace): string {
  const quoted = JSON.stringify
  switch (from.kind) {
    case 'shipped':
      return `module("yoe:${name}")`
    case 'local':
      return `module(local = ${quoted(from.folder)})`
    case 'git': {
      const path = from.path === '' ? '' : `, path = ${quoted(from.path)}`
      return `module(${quoted(canonicalUrl(from.url))}, ref = ${quoted(from.ref)}${path})`
    }
    default:
      return from satisfies never
  }
}

/** Whether a ref is a commit itself: then nothing has to be asked or locked. */
export function isCommit(ref: string): boolean {
  return /^[0-9a-f]{40}$/.test(ref)
}
