/** Modes, owners and file capabilities of a unit, as they are in a finished disk. */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { silent } from '../../../src/engine/events.ts'
import { buildDisk } from '../../../src/engine/image/disk.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { install as fill, packInput, scratch } from '../../support/making.ts'
import { machineOf } from '../../support/units.ts'
import { engineArch, entryOf, epoch, install, run, smallRoots, toolsRoot, trixie, worker } from './trixie.ts'

const usable = await worker.probe()
const skip = usable.ok ? false : `${usable.reason} (${usable.hint})`

test('what permissions says is so on the device', { skip }, async (t) => {
  const folder = await scratch(t)
  const dest = join(folder, 'dest')
  await fill(dest, {
    'usr/bin/perm-su': '#!/bin/sh\n',
    'usr/bin/perm-ping': '#!/bin/sh\n',
    'var/lib/perm/x': '',
    'var/spool/perm/x': '',
    'usr/lib/sysusers.d/perm.conf': 'u perm 450 "Perm" /\n',
  })
  const [perm] = await packDeb(
    packInput(dest, join(folder, 'debs'), {
      arch: engineArch,
      unit: {
        name: 'perm',
        permissions: {
          '/usr/bin/perm-su': { mode: 0o4755 },
          '/usr/bin/perm-ping': { mode: 0o755, capabilities: 'cap_net_raw+ep' },
          '/var/lib/perm': { mode: 0o2750, owner: { user: 'perm', group: 'perm' } },
          '/var/spool/perm': { mode: 0o2775, owner: { user: 'root', group: 'mail' } },
        },
      },
    }),
  )
  assert.ok(perm !== undefined)
  const tools = await toolsRoot()
  const feed = await trixie([...smallRoots, 'libcap2-bin', 'systemd-standalone-sysusers'])
  const rootfs = join(folder, 'root.tar.zst')
  await install(rootfs, [...feed, await entryOf(perm.path, 'unit')], { tools })
  const outdir = join(folder, 'disk')
  await mkdir(outdir)
  const machine = machineOf({ arch: engineArch })
  const { disk, partitions } = await buildDisk({
    rootfs,
    machine,
    partitions: [{ label: 'rootfs', type: 'ext4', size: 'fill', root: true, contents: [], at: machine.at }],
    name: 'image "perm"',
    at: machine.at,
    key: '0'.repeat(64),
    tools,
    worker,
    outdir,
    sourceDateEpoch: epoch,
    report: silent,
    log: () => {},
  })
  const ask = async (request: string): Promise<string> => {
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
    return (await run('debugfs', ['-R', request, `${disk}?offset=${partitions[0]?.offset ?? 0}`], { env })).stdout
  }
  const facts = async (path: string): Promise<readonly string[]> =>
    /Mode:\s+(\d+)[\s\S]*?User:\s+(\d+)\s+Group:\s+(\d+)/.exec(await ask(`stat ${path}`))?.slice(1, 4) ?? []
  assert.deepEqual(await facts('/usr/bin/perm-su'), ['04755', '0', '0'])
  assert.deepEqual(await facts('/usr/bin/perm-ping'), ['0755', '0', '0'])
  assert.deepEqual(await facts('/var/lib/perm'), ['02750', '450', '450'])
  assert.deepEqual(await facts('/var/spool/perm'), ['02775', '0', '8'])
  // struct vfs_cap_data, version 2 with the effective bit: CAP_NET_RAW is 13; no id of the build's namespace.
  assert.match(
    await ask('ea_list /usr/bin/perm-ping'),
    /security\.capability \(20\) = 01 00 00 02 00 20 00 00 00 00 00 00 00 00 00 00 00 00 00 00/,
  )
})
