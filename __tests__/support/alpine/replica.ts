import { execFile } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { lstatSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { apk2 } from './apk.ts'
import { type ApkEntry, type SigningKey, writeApk, writeIndex } from './apk-package.ts'
import { type InstalledEntry, type InstalledPackage, installedPackages } from './installed-database.ts'
import { kept } from './kept.ts'
import type { ApkArch } from './material.ts'
import { restored } from './restored.ts'
import { alpine320, alpine323 } from './roots.ts'

const run = promisify(execFile)

/** Bumped when what is written below changes. */
const edition = '1'

const keyName = 'yoe-tests.rsa'

/** The folder of the key that mirrors of this machine's tests are signed with: `yoe-tests.rsa`, `yoe-tests.rsa.pub`. */
export function testKeyFolder(): Promise<string> {
  return kept('key', ['rsa 2048'], async (folder) => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    writeFileSync(join(folder, keyName), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    writeFileSync(join(folder, `${keyName}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
  })
}

export async function testKey(digest: SigningKey['digest']): Promise<SigningKey> {
  const privateKey = createPrivateKey(readFileSync(join(await testKeyFolder(), keyName)))
  return { privateKey, publicName: `${keyName}.pub`, digest }
}

/** `main` of a branch, packed anew from a system that it was installed in: a folder with ARCH/APKINDEX.tar.gz. */
export async function replica(branch: 'v3.20' | 'v3.23', arch: ApkArch): Promise<string> {
  const system = await { 'v3.20': alpine320, 'v3.23': alpine323 }[branch](arch)
  // Alpine signs with SHA-1 to this day; one of ours does, so that both kinds are served.
  const key = await testKey(branch === 'v3.20' ? 'sha1' : 'sha256')
  return kept(`main-${branch}-${arch}`, [edition, system, await testKeyFolder()], async (folder) => {
    mkdirSync(join(folder, arch))
    const users = accounts(join(system, 'etc/passwd'))
    const groups = accounts(join(system, 'etc/group'))
    for (const one of installedPackages(system)) {
      const mtime = Number(one.fields.get('t'))
      const entries = one.entries
        .filter(({ path }) => path !== '')
        .map((entry) => ({
          ...packed(system, entry, mtime),
          user: users.get(entry.uid) ?? '',
          group: groups.get(entry.gid) ?? '',
        }))
      const apk = writeApk({ info: pkginfo(one), scripts: one.scripts, entries, mtime }, key)
      writeFileSync(join(folder, arch, `${one.fields.get('P')}-${one.fields.get('V')}.apk`), apk)
    }
    await indexFolder(folder, arch, `${branch} replica`, key)
  })
}

/** Letters of the database and their names in .PKGINFO. */
const names = [
  ...[
    ['P', 'pkgname'],
    ['V', 'pkgver'],
    ['T', 'pkgdesc'],
    ['U', 'url'],
    ['t', 'builddate'],
    ['I', 'size'],
  ],
  ...[
    ['A', 'arch'],
    ['o', 'origin'],
    ['c', 'commit'],
    ['m', 'maintainer'],
    ['q', 'replaces_priority'],
  ],
  ...[
    ['k', 'provider_priority'],
    ['L', 'license'],
    ['r', 'replaces'],
    ['D', 'depend'],
    ['p', 'provides'],
  ],
  ['i', 'install_if'],
] as const
/** These have a line for each word. */
const lists: readonly string[] = ['replaces', 'depend', 'provides']

function pkginfo({ fields, triggers }: InstalledPackage): readonly string[] {
  const lines = names.flatMap(([letter, name]) => {
    const value = fields.get(letter)
    if (value === undefined || value === '') return []
    const values = lists.includes(name) ? value.split(' ') : [value]
    return values.map((one) => `${name} = ${one}`)
  })
  return triggers === undefined ? lines : [...lines, `triggers = ${triggers}`]
}

function packed(system: string, { path, folder, uid, gid, mode, sha1 }: InstalledEntry, built: number): ApkEntry {
  const owned = { path, mode, uid, gid }
  // apk keeps the times of files only.
  if (folder) return { ...owned, mtime: built, content: { kind: 'folder' } }
  const place = join(system, path)
  const { mtimeMs } = lstatSync(place)
  const link = lstatSync(place).isSymbolicLink()
  const now = link ? Buffer.from(readlinkSync(place)) : readFileSync(place)
  const bytes = sha1 === undefined ? now : restored(path, now, sha1)
  if (link) return { ...owned, mode: 0o777, mtime: built, content: { kind: 'link', target: bytes.toString() } }
  return { ...owned, mtime: Math.floor(mtimeMs / 1000), content: { kind: 'file', bytes } }
}

/** Number to name, of /etc/passwd or /etc/group. */
function accounts(path: string): ReadonlyMap<number, string> {
  const rows = readFileSync(path, 'utf8').trim().split('\n').reverse()
  return new Map(rows.map((row) => row.split(':')).map(([name = '', , id]) => [Number(id), name]))
}

/** Lists the packages of `FOLDER/ARCH` in a signed index, as apk itself does it. */
export async function indexFolder(folder: string, arch: ApkArch, description: string, key: SigningKey): Promise<void> {
  const inside = join(folder, arch)
  const files = (await readdir(inside)).filter((name) => name.endsWith('.apk')).sort()
  const raw = join(inside, 'unsigned')
  const indexed = await apk2(['index', '--quiet', '--no-warnings', '--output', raw, ...files], {
    keys: await testKeyFolder(),
    writes: [inside],
    cwd: inside,
  })
  if (indexed.code !== 0) throw new Error(indexed.stderr)
  const { stdout: text } = await run('tar', ['--extract', '--gzip', '--to-stdout', '--file', raw, 'APKINDEX'])
  await rm(raw)
  // apk's own order is that of its tables, and its times are those of now.
  const paragraphs = new Map(
    text
      .trim()
      .split('\n\n')
      .map((one) => [/^P:(.*)$/m.exec(one)?.[1] ?? '', one]),
  )
  const index = [...paragraphs.keys()].sort().map((name) => `${paragraphs.get(name)}\n\n`)
  const newest = Math.max(...[...text.matchAll(/^t:(\d+)$/gm)].map(([, time]) => Number(time)))
  writeFileSync(join(inside, 'APKINDEX.tar.gz'), writeIndex(index.join(''), description, key, newest))
}
