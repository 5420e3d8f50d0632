/** A program: packs units into a folder and publishes them, wherever and as whoever it runs. Arguments: folder, key file, umask. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readFile, symlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { silent } from '#engine/events.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { packApk } from '#feeds/alpine/pack.ts'
import { publishRepository } from '#feeds/alpine/repository.ts'
import { readRsaKey } from '#feeds/keys/rsa.ts'
import { install, packInput } from '../../support/making.ts'

const [, , folder = '', keyFile = '', umask = ''] = process.argv
const units: readonly (Partial<PackageUnit> & { readonly files: Readonly<Record<string, string>> })[] = [
  {
    name: 'app',
    files: {
      'usr/bin/Zeta': '#!/bin/sh\n',
      'usr/bin/alpha': 'x'.repeat(70_000),
      'usr/bin/ärger': 'y',
      'etc/init.d/app': '#!/sbin/openrc-run\n',
      'usr/include/app.h': '',
      'usr/lib/sysusers.d/app.conf': 'u app 70\n',
      [`usr/share/${'long-name/'.repeat(12)}file`]: 'z',
    },
    subpackages: ['dev'],
    services: ['app'],
    permissions: { '/usr/bin/alpha': { mode: 0o755, capabilities: 'cap_net_raw+ep' } },
  },
  { name: 'Data', scope: 'noarch', files: { 'usr/share/data/i': 'I', 'usr/share/data/ı': 'ı' } },
]

// A build's sandbox has one umask; what packs its result runs with that of whoever called.
process.umask(0o022)
const entries = []
for (const { files, ...unit } of units) {
  const destdir = join(folder, `dest-${unit.name}`)
  await install(destdir, files)
  const [first = ''] = Object.keys(files)
  await chmod(join(destdir, first), 0o755)
  if (unit.services !== undefined) await chmod(join(destdir, 'etc/init.d/app'), 0o755)
  await symlink('nowhere', join(destdir, 'usr/link'))
  await utimes(join(destdir, first), new Date(), new Date(Math.random() * 1e12))
  execFileSync('tar', ['-C', destdir, '-czf', join(folder, `naive-${unit.name}.tar.gz`), '.'])
  process.umask(Number.parseInt(umask, 8))
  const qaSkip = { dangling: 'a test', 'dev-in-main': 'a test' }
  entries.push(
    ...(await packApk(packInput(destdir, join(folder, 'out'), { distro: 'alpine', unit: { ...unit, qaSkip } }))),
  )
  process.umask(0o022)
}
process.umask(Number.parseInt(umask, 8))
await mkdir(join(folder, 'repo'))
const signingKey = await readRsaKey(await readFile(keyFile, 'utf8'), keyFile, 'demo')
const names = { project: 'demo', distro: 'alpine', suite: 'v3.19', arch: 'x86_64' } as const
await publishRepository({
  root: join(folder, 'repo'),
  ...names,
  entries,
  signingKey,
  date: 1_700_000_000,
  report: silent,
})
