import type { DestEntry, ScannedTree } from '#engine/build/destdir.ts'
import type { PackageRecord } from '#engine/catalog/package.ts'
import { renderControl } from './control.ts'
import { renderShlibs } from './libraries.ts'
import { maintainerScripts } from './maintainer-scripts.ts'
import { tarEnd, tarHeader, tarPadding } from './tar-header.ts'

export interface ControlArchiveInput {
  readonly record: PackageRecord
  readonly description: string
  /** An extra keyword of the unit that happens to be what control files call by the same name. */
  readonly homepage: unknown
  /** Those of the unit's that are in this package. */
  readonly conffiles: readonly string[]
  readonly services: readonly string[]
  /** Rendered relations. */
  readonly replaces: readonly string[]
  readonly maintainer: string
  readonly tree: ScannedTree
  /** MD5 of every file of the tree, lowercase hex. */
  readonly sums: ReadonlyMap<DestEntry, string>
  /** Sonames that other packages may link to. */
  readonly brings: readonly string[]
}

/** A package's control archive as a tar. @param mtime seconds since 1970, of every member */
export function controlArchive(input: ControlArchiveInput, mtime: number): Buffer {
  const parts = [tarHeader({ kind: 'directory', path: Buffer.alloc(0), mode: 0o755, size: 0 }, mtime)]
  for (const [name, content] of [...controlFiles(input)].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const mode = content.toString('latin1', 0, 2) === '#!' ? 0o755 : 0o644
    parts.push(tarHeader({ kind: 'file', path: Buffer.from(name), mode, size: content.length }, mtime))
    parts.push(content, tarPadding(content.length))
  }
  return Buffer.concat([...parts, tarEnd])
}

function controlFiles(input: ControlArchiveInput): ReadonlyMap<string, Buffer> {
  const { record, tree } = input
  const control = renderControl({
    record,
    replaces: input.replaces,
    maintainer: input.maintainer.replace(/[\u0000-\u001f\u007f]+/g, ' '),
    description: input.description,
    homepage: homepage(input.homepage),
    installedSize: installedSize(tree),
  })
  const files = new Map<string, Buffer>([['control', Buffer.from(control)]])
  const conffiles = new Set(input.conffiles)
  if (conffiles.size > 0) files.set('conffiles', Buffer.from([...conffiles].map((path) => `${path}\n`).join('')))
  const md5sums = renderMd5sums(input, conffiles)
  if (md5sums.length > 0) files.set('md5sums', md5sums)
  if (input.brings.length > 0) {
    files.set('shlibs', Buffer.from(renderShlibs(input.brings, record)))
    files.set('triggers', Buffer.from('activate-noawait ldconfig\n'))
  }
  for (const [name, text] of maintainerScripts(tree, input.services)) files.set(name, Buffer.from(text))
  return files
}

/** Conffiles are left out, as dh_md5sums does: they are meant to change. A hard link comes after what carries its content. */
function renderMd5sums({ tree, sums }: ControlArchiveInput, conffiles: ReadonlySet<string>): Buffer {
  const byPath = new Map<string, string>()
  const lines: string[] = []
  for (const entry of tree.entries) {
    if (entry.kind !== 'file' && entry.kind !== 'hardlink') continue
    const path = entry.path.toString('latin1')
    const sum = entry.target === undefined ? sums.get(entry) : byPath.get(entry.target.toString('latin1'))
    if (sum === undefined) continue
    byPath.set(path, sum)
    if (conffiles.size === 0 || !conffiles.has(`/${entry.path.toString('utf8')}`)) lines.push(`${sum}  ${path}\n`)
  }
  return Buffer.from(lines.join(''), 'latin1')
}

/** KiB: files rounded up, one for everything else. @see deb-substvars(5), Installed-Size */
const installedSize = ({ entries }: ScannedTree): number =>
  entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? Math.ceil(entry.size / 1024) : 1), 0)

const homepage = (value: unknown): string | undefined =>
  typeof value === 'string' && /^https?:\/\/[!-~]+$/.test(value) ? value : undefined
