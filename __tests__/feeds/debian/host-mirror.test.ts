import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hostMirrors } from '../../../src/feeds/debian/host-mirror.ts'

const debian = 'http://ftp.debian.org/debian'

/** Sources by file name below /etc/apt, to the mirrors of the feed. */
const rows: readonly (readonly [string, Readonly<Record<string, string>>, string, string, readonly string[]])[] = [
  ['no apt', {}, debian, 'debian', []],
  [
    'one line',
    { 'sources.list': 'deb http://near.example/debian/ trixie main\n' },
    debian,
    'debian',
    ['http://near.example/debian'],
  ],
  [
    'options and comments',
    {
      'sources.list':
        '# deb http://no.example/debian x\ndeb [arch=amd64 signed-by=/k.gpg] https://near.example/debian bookworm main\ndeb-src http://src.example/debian x main\n',
    },
    debian,
    'debian',
    ['https://near.example/debian'],
  ],
  [
    'paragraphs',
    {
      'sources.list.d/debian.sources':
        '# x\nTypes: deb deb-src\nURIs: http://a.example/debian http://b.example/mirrors/debian\nSuites: trixie\n\nTypes: deb\nEnabled: no\nURIs: http://off.example/debian\n',
    },
    debian,
    'debian',
    ['http://a.example/debian', 'http://b.example/mirrors/debian'],
  ],
  [
    'another archive is none',
    {
      'sources.list':
        'deb http://near.example/debian-security trixie-security main\ndeb http://near.example/ubuntu noble main\n',
    },
    debian,
    'debian',
    [],
  ],
  [
    'security has mirrors of its own',
    { 'sources.list': 'deb http://near.example/debian-security x main\n' },
    'http://security.debian.org/debian-security',
    'debian',
    ['http://near.example/debian-security'],
  ],
  [
    'a vendor is mirrored by nobody',
    { 'sources.list': 'deb http://near.example/debian x main\n' },
    'https://vendor.example/debian',
    'debian',
    [],
  ],
  ['distros are told apart', { 'sources.list': 'deb http://near.example/debian x main\n' }, debian, 'ubuntu', []],
  ['itself is no mirror', { 'sources.list': `deb ${debian}/ x main\n` }, debian, 'debian', []],
  [
    'twice is once',
    { 'sources.list': 'deb http://n.example/debian x main\ndeb http://n.example/debian y main\n' },
    debian,
    'debian',
    ['http://n.example/debian'],
  ],
  [
    'no secrets, no other schemes',
    {
      'sources.list':
        'deb http://user:pw@n.example/debian x main\ndeb cdrom:[x]/debian x main\ndeb file:/srv/debian x main\n',
    },
    debian,
    'debian',
    [],
  ],
  [
    'damaged files',
    {
      'sources.list.d/a.sources': 'Types deb\nURIs',
      'sources.list.d/b.list': 'deb http://n.example/debian x main',
      'sources.list.d/c.list.disabled': 'deb http://off.example/debian x main',
    },
    debian,
    'debian',
    ['http://n.example/debian'],
  ],
]

test("the mirrors of this machine's apt are found in its sources", () => {
  for (const [title, files, url, distro, want] of rows) {
    const folder = mkdtempSync(join(tmpdir(), 'yoe-sources-'))
    try {
      mkdirSync(join(folder, 'sources.list.d'))
      for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
      assert.deepEqual(hostMirrors(url, distro, folder), want, title)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
})
