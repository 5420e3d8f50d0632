import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { generateRsaKey } from '../../../src/feeds/keys/rsa.ts'
import { run, scratch } from '../../support/making.ts'
import { asPlainUser } from '../../support/plain-user.ts'
import { checkout } from '../../support/project.ts'

const program = '__tests__/feeds/alpine/packing-elsewhere.ts'

/** Files below a folder: digest and mode. */
function digests(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name !== '.lock',
  )
  return new Map(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => {
        const digest = createHash('sha256').update(readFileSync(path)).digest('hex')
        return [relative(folder, path), `${digest} ${(statSync(path).mode & 0o777).toString(8)}`]
      }),
  )
}

test('packages and index are the same bytes for two users with other folders, umasks, zones, locales and processors', async (t) => {
  const folder = await scratch(t)
  const here = join(folder, 'here')
  const world = join(folder, 'world')
  const elsewhere = join(world, 'a longer way', 'elsewhere')
  await mkdir(here)
  await mkdir(elsewhere, { recursive: true })
  const { privateKey } = await generateRsaKey('demo')
  await writeFile(join(folder, 'demo.rsa'), privateKey)
  await writeFile(join(world, 'demo.rsa'), privateKey)
  const node = ['--disable-warning=ExperimentalWarning']

  const first = await run(process.execPath, [...node, join(checkout, program), here, join(folder, 'demo.rsa'), '022'])
  assert.equal(first.code, 0, first.stderr)
  const other = ['env', 'TZ=Pacific/Kiritimati', 'LC_ALL=tr_TR.UTF-8', 'LANG=tr_TR.UTF-8', 'taskset', '--cpu-list', '0']
  const isRoot = process.getuid?.() === 0
  const place = isRoot ? '/mnt/world' : world
  const [called = '', ...rest] = [
    ...other,
    ...[isRoot ? '/mnt/node/node' : process.execPath, ...node, join(isRoot ? '/mnt/repo' : checkout, program)],
    ...[join(place, 'a longer way', 'elsewhere'), join(place, 'demo.rsa'), '077'],
  ]
  const second = isRoot ? await asPlainUser(world, [called, ...rest], 'elsewhere.example') : await run(called, rest)
  assert.equal(second.code, 0, second.stderr)

  const [one, two] = [digests(join(here, 'repo')), digests(join(elsewhere, 'repo'))]
  const packages = [...one.keys()].filter((path) => path.endsWith('.apk'))
  assert.deepEqual(packages.sort(), ['noarch/Data-1.0-r0.apk', 'x86_64/app-1.0-r0.apk', 'x86_64/app-dev-1.0-r0.apk'])
  assert.ok(one.has('x86_64/APKINDEX.tar.gz'))
  assert.deepEqual([...two], [...one])
  // The control: what tar and gzip make of the same folders.
  for (const name of ['naive-app.tar.gz', 'naive-Data.tar.gz'])
    assert.ok(!readFileSync(join(here, name)).equals(readFileSync(join(elsewhere, name))))
})
