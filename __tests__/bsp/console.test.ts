import assert from 'node:assert/strict'
import { test } from 'node:test'
import { watchConsole } from '../../src/bsp/console.ts'

/** What is seen in a console's text that arrives in pieces of so many bytes. */
function seen(text: string, pieces: number): string {
  const told: string[] = []
  let dead = ''
  let log = ''
  const watcher = watchConsole({
    text: (clean) => {
      log += clean
    },
    stage: (stage) => told.push(stage),
    deadEnd: (line, meaning) => {
      dead += ` | ${meaning}: ${line}`
    },
  })
  const bytes = Buffer.from(text, 'latin1')
  for (let at = 0; at < bytes.length; at += pieces) watcher.push(bytes.subarray(at, at + pieces))
  watcher.end()
  assert.doesNotMatch(log, /[\x00-\x08\x0b-\x1f]/, 'the log holds control characters')
  return told.join(' ') + dead
}

const kernel = '[    0.000000] Linux version 6.12.1 (debian-kernel@example)\r\n'
const rows: readonly (readonly [name: string, text: string, want: string])[] = [
  [
    'a whole boot',
    `SeaBIOS (version 1)\r\n${kernel}[    3.1] Run /init as init process\r\n[  OK  ] Started x\r\n\r\nDebian 13 guest ttyS0\r\n\r\nguest login: `,
    'firmware kernel init login',
  ],
  ['no firmware that speaks', kernel, 'kernel'],
  ['a quiet kernel', '\x1b[2J\x1b[H\r\nWelcome to Debian!\r\nguest login: ', 'init login'],
  ['colours around the prompt', `${kernel}\x1b[1;32mguest login: \x1b[0m`, 'kernel login'],
  ['the word alone is no prompt', `${kernel}pam: login: session opened\r\n`, 'kernel'],
  [
    'a panic',
    `${kernel}[    2.5] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n[    2.6] CPU: 0\r\n`,
    'kernel | the kernel panicked: [    2.5] Kernel panic - not syncing: VFS: Unable to mount root fs',
  ],
  [
    'the initramfs shell',
    `${kernel}ALERT!  LABEL=none does not exist.  Dropping to a shell!\r\n(initramfs) `,
    'kernel | the initramfs found no root file system: ALERT!  LABEL=none does not exist.  Dropping to a shell!',
  ],
  [
    'a prompt without its end',
    `${kernel}\x1b[6n(initramfs) `,
    'kernel | the initramfs found no root file system: (initramfs)',
  ],
  [
    'emergency mode',
    `${kernel}You are in emergency mode. After logging in, type "journalctl -xb"\r\n`,
    'kernel | systemd gave up and offers a shell for repairs: You are in emergency mode. After logging in, type "journalctl -xb"',
  ],
  [
    'nothing that UEFI boots',
    'BdsDxe: failed to load Boot0001 "UEFI Misc Device": Not Found\r\n\r\n>>Start PXE over IPv4.',
    'firmware | the firmware found nothing to boot: >>Start PXE over IPv4.',
  ],
  [
    'nothing to boot',
    'Booting from Hard Disk...\r\nBoot failed: not a bootable disk\r\n\r\nNo bootable device.\r\n',
    'firmware | the firmware found nothing to boot: Boot failed: not a bootable disk',
  ],
]

for (const [name, text, want] of rows)
  test(`console: ${name}`, () => {
    for (const pieces of [1, 7, 100_000]) assert.equal(seen(text, pieces), want)
  })

test('console: what never ends costs no memory, and what lies about is shown', () => {
  const watcher = watchConsole({ text: () => {}, stage: () => {}, deadEnd: () => {} })
  const chunk = Buffer.alloc(1 << 20, 'a')
  const before = process.memoryUsage().rss
  for (let index = 0; index < 64; index++) watcher.push(chunk)
  watcher.end()
  assert.ok(process.memoryUsage().rss - before < 100 * 2 ** 20)
})
