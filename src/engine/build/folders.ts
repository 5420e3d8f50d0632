import { join } from 'node:path'
import type { Node } from '../plan/graph.ts'

/** Where a node's build lies: `build/<distro>/<unit>.<scope>/`. */
export interface NodeFolders {
  readonly root: string
  /** The source, as a git work tree; tasks of a pinned unit run in it. */
  readonly source: string
  /** The repository of `source`, out of reach of tasks. */
  readonly git: string
  /** What tasks of a unit in dev state run in: a copy of `source` that keeps what was built. */
  readonly work: string
  readonly destdir: string
  readonly sysroot: string
  readonly install: string
  readonly packages: string
  readonly log: string
  /** There while it is being built: by which process. */
  readonly running: string
  /** What the last finished build was made of: what `why` compares with. */
  readonly last: string
  /** The key and the error of the last build, when it failed; gone as soon as one succeeds. */
  readonly failed: string
}

/** @param buildRoot absolute; what comes back is absolute, too, and need not exist */
export function foldersOf(buildRoot: string, node: Pick<Node, 'id'>): NodeFolders {
  const root = join(buildRoot, ...node.id.split('/'))
  return {
    root,
    source: join(root, 'src'),
    git: join(root, 'src.git'),
    work: join(root, 'work'),
    destdir: join(root, 'destdir'),
    sysroot: join(root, 'sysroot'),
    install: join(root, 'install'),
    packages: join(root, 'packages'),
    log: join(root, 'build.log'),
    running: join(root, 'running'),
    last: join(root, 'last.json'),
    failed: join(root, 'failed.json'),
  }
}
