import assert from 'node:assert/strict'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { SigningKey } from '#engine/formats.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { publishRepository } from '../../../src/feeds/debian/repository.ts'
import { binaryKeyring, generateOpenPgpKey, readOpenPgpKey } from '../../../src/feeds/keys/openpgp.ts'
import { rotatedOpenPgpKey } from '../../../src/feeds/keys/openpgp-rotation.ts'
import { packInput, run, scratch } from '../../support/making.ts'
import { publishInput } from './feed-making.ts'

/** The Debian archive that this machine's apt uses. */
async function mirror(): Promise<string> {
  const filter = ['Created-By: Packages', 'Origin: Debian', 'Label: Debian']
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(SITE)', ...filter])
  return stdout.split('\n')[0] || 'http://ftp.debian.org/debian'
}

/** Runs inside a fresh system of the release: every line must hold. */
const life = `set -eux
export DEBIAN_FRONTEND=noninteractive
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
source() { printf 'Types: deb\\nURIs: file:/feed/%s\\nSuites: trixie\\nComponents: main\\nSigned-By: /feed/%s.gpg\\n' "$1" "$2" >/etc/apt/sources.list.d/demo.sources; }
source first other
if apt-get update 2>/tmp/log; then echo 'a foreign key was taken' >&2; exit 1; fi
grep -qiE 'not signed|public key|NO_PUBKEY|Missing key' /tmp/log
# C7: signed by the old key and the new one, whoever knows either.
for keyring in demo fresh both; do source overlap $keyring; apt-get update; done
source first over
if apt-get update; then echo 'a key that has ended was taken' >&2; exit 1; fi
source first demo
apt-get update
apt-get install -y svc
test -L /etc/systemd/system/multi-user.target.wants/svc.service
dpkg --verify svc
test "$(stat -c %a:%U /usr/bin/svc)" = 700:root
echo mine >/etc/svc.conf
source second demo
apt-get update
apt-get upgrade -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold
test "$(dpkg-query -W -f '\${Version}' svc)" = 1.0-r10
grep -qx mine /etc/svc.conf
rm /etc/systemd/system/multi-user.target.wants/svc.service
apt-get install -y --reinstall svc
test ! -e /etc/systemd/system/multi-user.target.wants/svc.service
apt-get remove -y svc
test -e /etc/svc.conf
apt-get purge -y svc
test ! -e /etc/svc.conf
test -z "$(find /var/lib/systemd/deb-systemd-helper-enabled -name '*svc*' 2>/dev/null)"
echo LIVED
`

for (const release of ['bookworm', 'trixie']) {
  test(`${release}: apt and dpkg install, upgrade, remove and purge our packages`, async (t) => {
    const folder = await scratch(t)
    const feed = join(folder, 'feed')
    // As a plain user mmdebstrap reads it under ids that are not the user's.
    await chmod(folder, 0o755)
    const lastYear = new Date(Date.now() - 365 * 86_400_000)
    const [key, other] = [await generateOpenPgpKey('demo', lastYear), await generateOpenPgpKey('other', lastYear)]
    for (const [root, number] of [
      ['first', 2],
      ['second', 10],
    ] as const) {
      const dest = join(folder, `dest-${root}`)
      for (const each of ['usr/lib/systemd/system', 'usr/bin', 'etc'])
        await mkdir(join(dest, each), { recursive: true })
      const service = '[Service]\nExecStart=/usr/bin/svc\n[Install]\nWantedBy=multi-user.target\n'
      await writeFile(join(dest, 'usr/lib/systemd/system/svc.service'), service)
      await writeFile(join(dest, 'usr/bin/svc'), '#!/bin/sh\nexec sleep 1d\n', { mode: 0o700 })
      await writeFile(join(dest, 'etc/svc.conf'), `default ${number}\n`)
      const unit = {
        name: 'svc',
        release: number,
        scope: 'noarch',
        services: ['svc'],
        conffiles: ['/etc/svc.conf'],
      } as const
      const packed = await packDeb(packInput(dest, join(folder, 'out'), { unit }))
      const arch = process.arch === 'arm64' ? 'arm64' : 'x86_64'
      await publishRepository(publishInput(join(feed, root), key, packed, { arch }))
    }
    const rotated = async (until: number): Promise<SigningKey> =>
      readOpenPgpKey((await rotatedOpenPgpKey(key.privateKey, 'x', 'demo', until)).armored, 'x')
    const [both, over] = [await rotated(Date.now() + 86_400_000), await rotated(Date.now() - 86_400_000)]
    await publishRepository(publishInput(join(feed, 'overlap'), both, []))
    const { readKeys } = await import('openpgp')
    const [fresh] = await readKeys({ armoredKeys: both.publicKey })
    assert.ok(fresh !== undefined)
    await writeFile(join(feed, 'fresh.gpg'), fresh.write())
    await writeFile(join(feed, 'both.gpg'), await binaryKeyring(both))
    await writeFile(join(feed, 'over.gpg'), await binaryKeyring(over))
    await writeFile(join(feed, 'demo.gpg'), await binaryKeyring(key))
    await writeFile(join(feed, 'other.gpg'), await binaryKeyring(other))
    await writeFile(join(feed, 'life.sh'), life)
    const hooks = [`copy-in ${feed} /`, 'chroot "$1" sh /feed/life.sh'].map((hook) => `--customize-hook=${hook}`)
    const ran = await run('mmdebstrap', [
      '--variant=apt',
      '--format=null',
      ...hooks,
      release,
      '/dev/null',
      await mirror(),
    ])
    assert.equal(ran.code, 0, ran.stderr.split('\n').slice(-40).join('\n'))
    assert.match(ran.stdout + ran.stderr, /^LIVED$/m)
  })
}
