import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { resolveClosure } from '../../../src/engine/catalog/closure.ts'
import type { Feed } from '../../../src/engine/catalog/package.ts'
import { universe } from '../../../src/engine/catalog/universe.ts'
import { silent } from '../../../src/engine/events.ts'
import type { FeedEnvironment } from '../../../src/engine/formats.ts'
import type { FeedDeclaration } from '../../../src/engine/project/model.ts'
import { createFetcher } from '../../../src/engine/source/download.ts'
import { openAptFeed } from '../../../src/feeds/debian/feed.ts'
import { optionsOf, sitesOf } from '../../../src/feeds/debian/feed-place.ts'
import { debianVersions } from '../../../src/feeds/debian/version.ts'
import { type AptRoot, aptPlan, makeAptRoot } from '../../support/apt-root.ts'
import { hostsOwn } from '../../support/host-mirrors.ts'

// Real apt, with a root of its own and nothing installed, resolves the same roots from the same signed feed.

const moduleRoot = join(import.meta.dirname, '../../../modules/module-debian')
const keyring = 'keys/debian-archive-keyring.gpg'
const declaration: FeedDeclaration = {
  id: 'debian.main',
  module: 'module-debian',
  at: { file: 'MODULE.star', line: 1, column: 1 },
  format: 'debian',
  distro: 'debian',
  options: { name: 'main', url: 'http://ftp.debian.org/debian', suite: 'trixie', keyring },
}

let folder: string
let feed: Feed

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'yoe-apt-'))
  const environment: FeedEnvironment = {
    arch: 'x86_64',
    moduleRoot,
    cacheRoot: join(folder, 'cache'),
    fetcher: createFetcher({ mirrors: hostsOwn, offline: false }),
    offline: false,
    refresh: false,
    now: Date.now,
    report: silent,
  }
  feed = await openAptFeed(declaration, environment)
  const [site] = sitesOf(optionsOf(declaration), environment)
  assert.ok(site !== undefined)
  const source = { site, suite: 'trixie', components: ['main'] }
  aptRoot = makeAptRoot(join(folder, 'apt'), [source], join(moduleRoot, keyring))
})

after(() => rmSync(folder, { recursive: true, force: true }))

let aptRoot: AptRoot

const apt = (roots: readonly string[], how: 'simulated' | 'printed'): readonly string[] => aptPlan(aptRoot, roots, how)

function ours(roots: readonly string[]): readonly string[] {
  const { packages } = resolveClosure({
    ...universe([feed], []),
    versions: debianVersions,
    arch: 'amd64',
    roots: roots.map((name) => ({ dependency: [{ name }], by: 'the test' })),
  })
  return packages.map((one) => `${one.name} ${one.version}`).sort()
}

const sets: readonly (readonly [roots: readonly string[], atLeast: number])[] = [
  [['openssh-server'], 50],
  [['systemd-sysv', 'udev', 'dbus', 'network-manager', 'openssh-server', 'linux-image-cloud-amd64'], 90],
  [['build-essential', 'cmake', 'git', 'python3-dev'], 100],
  // Virtual names with many providers, alternatives, conflicts between init systems.
  [['default-mta', 'mutt', 'apache2', 'php', 'postgresql'], 100],
  [['sysvinit-core', 'xorg', 'lightdm', 'xfce4'], 200],
  [['gnome-core', 'libreoffice'], 1000],
  [['kde-full'], 1200],
]

for (const [roots, atLeast] of sets) {
  test(`apt and we agree on ${roots.join(' ')}`, () => {
    const theirs = apt(roots, atLeast < 200 ? 'simulated' : 'printed')
    assert.ok(theirs.length >= atLeast, `apt takes ${theirs.length} packages`)
    assert.deepEqual(ours(roots), theirs)
  })
}

test('apt and we agree on the base system', () => {
  const roots = feed.essentials()
  assert.ok(roots.includes('dpkg') && roots.includes('base-files'))
  assert.deepEqual(ours(roots), apt(roots, 'simulated'))
})

test('apt refuses what we refuse', () => {
  for (const roots of [['sysvinit-core', 'systemd-sysv'], ['no-such-package'], ['exim4-daemon-light', 'postfix']]) {
    assert.throws(
      () =>
        execFileSync('apt-get', ['-s', 'install', '--no-install-recommends', ...roots], {
          env: aptRoot.env,
          stdio: 'ignore',
        }),
      roots.join(' '),
    )
    assert.throws(() => ours(roots), { name: /YoeErrors?/ }, roots.join(' '))
  }
})
