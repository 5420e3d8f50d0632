/** Units of one image that bring the same file: found before dpkg is, which tells it half way (the naive control). */
import assert from 'node:assert/strict'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { RepositoryEntry } from '#engine/formats.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { describeDeb } from '../../../src/feeds/debian/describe.ts'
import { refuseClashes } from '../../../src/feeds/debian/file-clashes.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { errorsOf, type Files, install, packInput, run, scratch } from '../../support/making.ts'

interface Own {
  readonly files: Files
  readonly replaces?: PackageUnit['replaces']
  /** Path to target. */
  readonly links?: Readonly<Record<string, string>>
}

async function entriesOf(folder: string, units: Readonly<Record<string, Own>>): Promise<readonly RepositoryEntry[]> {
  const all: RepositoryEntry[] = []
  for (const [name, { files, replaces = [], links = {} }] of Object.entries(units)) {
    const dest = join(folder, `${name}-dest`)
    await install(dest, files)
    for (const [path, target] of Object.entries(links)) {
      await mkdir(join(dest, path, '..'), { recursive: true })
      await symlink(target, join(dest, path))
    }
    const at = { file: `units/${name}.star`, line: 1, column: 1 }
    const input = packInput(dest, join(folder, name), { unit: { name, at, replaces, scope: 'noarch' } })
    for (const { path, sha256, size } of await packDeb(input))
      all.push({ record: await describeDeb(path, input.unit), path, sha256, size })
  }
  return all
}

/** Unpacks them by dpkg, one after the other. */
async function byDpkg(folder: string, entries: readonly RepositoryEntry[]): Promise<string> {
  const root = join(folder, 'root')
  await mkdir(join(root, 'var/lib/dpkg/updates'), { recursive: true })
  await mkdir(join(root, 'var/lib/dpkg/info'))
  await install(root, { 'var/lib/dpkg/status': '', 'var/lib/dpkg/available': '' })
  const options = ['--force-not-root', '--force-script-chrootless', `--root=${root}`, '--unpack']
  const ran = await run('dpkg', [...options, ...entries.map(({ path }) => path)])
  return `${ran.stderr}\n${ran.code}`
}

const tool: Files = { 'usr/bin/tool': 'x' }

const cases: Readonly<
  Record<
    string,
    { readonly units: Readonly<Record<string, Own>>; readonly errors: readonly string[]; readonly dpkg: RegExp }
  >
> = {
  'nothing in common but folders': {
    units: { aa: { files: { 'usr/bin/a': 'x' } }, bb: { files: { 'usr/bin/b': 'x' } } },
    errors: [],
    dpkg: /\n0$/,
  },
  'one file': {
    units: { bb: { files: tool }, aa: { files: { ...tool, 'usr/bin/own': '' } } },
    errors: [
      'units/aa.star: INSTALL_FAILED aa and bb both install /usr/bin/tool | say whose file it is: add replaces = ["bb"] to unit aa, or replaces = ["aa"] to unit bb',
    ],
    dpkg: /trying to overwrite '\/usr\/bin\/tool', which is also in package bb/,
  },
  'several files, also links, of several units': {
    units: {
      aa: { files: tool, links: { 'usr/bin/alias': 'tool' } },
      bb: { files: tool, links: { 'usr/bin/alias': 'tool' } },
      cc: { files: { 'usr/bin/other': '' }, links: { 'usr/bin/alias': 'other' } },
    },
    errors: [
      'units/aa.star: INSTALL_FAILED aa and bb both install /usr/bin/alias, and 1 more file | say whose file it is: add replaces = ["bb"] to unit aa, or replaces = ["aa"] to unit bb',
      'units/bb.star: INSTALL_FAILED bb and cc both install /usr/bin/alias | say whose file it is: add replaces = ["cc"] to unit bb, or replaces = ["bb"] to unit cc',
    ],
    dpkg: /trying to overwrite/,
  },
  'the first replaces the second': {
    units: { aa: { files: tool, replaces: [{ name: 'bb' }] }, bb: { files: tool } },
    errors: [],
    dpkg: /\n0$/,
  },
  'the second replaces the first': {
    units: { aa: { files: tool }, bb: { files: tool, replaces: [{ name: 'aa' }] } },
    errors: [],
    dpkg: /\n0$/,
  },
  'it replaces versions that this is one of': {
    units: {
      aa: { files: tool },
      bb: { files: tool, replaces: [{ name: 'aa', version: { relation: '<<', version: '99' } }] },
    },
    errors: [],
    dpkg: /\n0$/,
  },
  'accounts of one id, which dpkg does not look at': {
    units: {
      aa: { files: { 'usr/lib/sysusers.d/aa.conf': 'u one 450\n' } },
      bb: { files: { 'usr/lib/sysusers.d/bb.conf': 'u two 450\n' } },
    },
    errors: [
      'units/aa.star: INSTALL_FAILED users one (of aa) and two (of bb) both have id 450 | give one of them another id: uid = … in system_user(…), gid = … in system_group(…)',
    ],
    dpkg: /\n0$/,
  },
  'it replaces other versions': {
    units: {
      aa: { files: tool },
      bb: { files: tool, replaces: [{ name: 'aa', version: { relation: '<<', version: '0.1' } }] },
    },
    errors: [
      'units/aa.star: INSTALL_FAILED aa and bb both install /usr/bin/tool | say whose file it is: add replaces = ["bb"] to unit aa, or replaces = ["aa"] to unit bb',
    ],
    dpkg: /trying to overwrite/,
  },
}
for (const [name, { units, errors, dpkg }] of Object.entries(cases))
  test(`files of two units, as dpkg sees it: ${name}`, async (t) => {
    const folder = await scratch(t)
    const entries = await entriesOf(folder, units)
    const found = await errorsOf(refuseClashes(entries))
    assert.deepEqual(
      found.map(({ at, code, message, hint }) => `${at?.file}: ${code} ${message} | ${hint}`),
      errors,
    )
    assert.match(await byDpkg(folder, entries), dpkg)
  })

test('a file in /bin and one in /usr/bin are one, which dpkg does not see', async (t) => {
  const folder = await scratch(t)
  const entries = await entriesOf(folder, { aa: { files: { 'bin/tool': 'a' } }, bb: { files: tool } })
  const [error] = await errorsOf(refuseClashes(entries))
  assert.match(error?.message ?? '', /^aa and bb both install \/usr\/bin\/tool$/)
  assert.match(await byDpkg(folder, entries), /\n0$/)
})
