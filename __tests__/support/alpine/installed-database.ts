/** The packages that apk knows as installed in a system. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface InstalledEntry {
  readonly path: string
  readonly folder: boolean
  uid: number
  gid: number
  mode: number
  /** SHA-1 of a file, or of a link's target. */
  sha1: string | undefined
}

export interface InstalledPackage {
  /** By the letters of an index. */
  readonly fields: ReadonlyMap<string, string>
  readonly entries: readonly InstalledEntry[]
  readonly scripts: ReadonlyMap<string, Buffer>
  readonly triggers: string | undefined
}

const folder = 'lib/apk/db'

/** Reads the database of apk-tools 2 or 3. */
export function installedPackages(system: string): readonly InstalledPackage[] {
  const scripts = scriptsOf(system)
  const triggers = new Map(
    readFileSync(join(system, folder, 'triggers'), 'utf8')
      .split('\n')
      .map((line) => [sha1Of(line.split(' ', 1)[0] ?? ''), line.slice(line.indexOf(' ') + 1)]),
  )
  return readFileSync(join(system, folder, 'installed'), 'utf8')
    .split('\n\n')
    .filter((paragraph) => paragraph !== '')
    .map((paragraph) => {
      const { fields, entries } = parse(paragraph)
      const identity = sha1Of(fields.get('C') ?? '')
      return { fields, entries, scripts: scripts.get(identity) ?? new Map(), triggers: triggers.get(identity) }
    })
}

function parse(paragraph: string): Pick<InstalledPackage, 'fields' | 'entries'> {
  const fields = new Map<string, string>()
  const entries: InstalledEntry[] = []
  let inside = ''
  for (const line of paragraph.split('\n').filter((text) => text !== '')) {
    const value = line.slice(2)
    const last = entries.at(-1)
    switch (line[0]) {
      case 'F':
        inside = value
        entries.push({ path: value, folder: true, uid: 0, gid: 0, mode: 0o755, sha1: undefined })
        break
      case 'R':
        entries.push({
          path: inside === '' ? value : `${inside}/${value}`,
          folder: false,
          uid: 0,
          gid: 0,
          mode: 0o644,
          sha1: undefined,
        })
        break
      case 'M':
      case 'a': {
        const [uid, gid, mode] = value.split(':')
        if (last !== undefined)
          Object.assign(last, { uid: Number(uid), gid: Number(gid), mode: Number.parseInt(mode ?? '', 8) })
        break
      }
      case 'Z':
        if (last !== undefined) last.sha1 = sha1Of(value)
        break
      default:
        fields.set(line[0] ?? '', value)
    }
  }
  return { fields, entries }
}

/** `Q1` and base64 of apk-tools 2, `X1` and hexadecimal digits of apk-tools 3. */
function sha1Of(text: string): string {
  return text.startsWith('X1') ? text.slice(2) : Buffer.from(text.slice(2), 'base64').toString('hex')
}

/** By what a package is known by: its scripts by their kinds. Their files are NAME-VERSION.CHECKSUM.KIND. */
function scriptsOf(system: string): ReadonlyMap<string, ReadonlyMap<string, Buffer>> {
  const archive = ['scripts.tar.gz', 'scripts.tar'].map((name) => join(system, folder, name)).find(existsSync)
  const found = new Map<string, Map<string, Buffer>>()
  if (archive === undefined) return found
  const names = execFileSync('tar', ['--list', '--file', archive], { encoding: 'utf8' }).trim().split('\n')
  for (const name of names.filter((one) => one !== '')) {
    const [, checksum = '', kind = ''] = /\.([QX]1[^.]*)\.([^.]*)$/.exec(name) ?? []
    const script = execFileSync('tar', ['--extract', '--to-stdout', '--file', archive, '--', name])
    const identity = sha1Of(checksum)
    found.set(identity, (found.get(identity) ?? new Map<string, Buffer>()).set(kind, script))
  }
  return found
}
