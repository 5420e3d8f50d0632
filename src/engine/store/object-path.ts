import { basename, dirname, join } from 'node:path'

/** Where the store below `root` keeps the blob of a digest. */
export function objectPath(root: string, sha256: string): string {
  return join(root, 'objects', sha256.slice(0, 2), sha256.slice(2))
}

/** The digest that an object's path says. */
export function objectDigest(path: string): string {
  return `${basename(dirname(path))}${basename(path)}`
}
