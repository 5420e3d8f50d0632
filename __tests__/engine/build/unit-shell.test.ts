import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { shellIn, shellOnDevice } from '#engine/build/unit-shell.ts'
import { scratch } from '../../support/project.ts'

/** What a root has: paths, or `path -> target`; then the first word of the default shell's call. */
const roots: Readonly<Record<string, readonly [has: readonly string[], shell: string]>> = {
  'Debian: /bin leads to /usr/bin': [['usr/bin/bash', 'usr/bin/sh -> bash', 'bin -> usr/bin'], '/bin/bash'],
  'Alpine with bash': [['bin/bash', 'bin/sh -> /bin/busybox'], '/bin/bash'],
  'Alpine: busybox alone, by an absolute link': [['bin/busybox', 'bin/sh -> /bin/busybox'], '/bin/sh'],
  'a /bin that leads out of the root unless the root is /': [['usr/bin/sh', 'bin -> /usr/bin'], '/bin/sh'],
  'neither, so that the usual one is missed': [['bin/true'], '/bin/bash'],
}

for (const [what, [has, shell]] of Object.entries(roots))
  test(`the shell of tasks is what the root has: ${what}`, async (t) => {
    const root = scratch(t)
    for (const each of has) {
      const [path = '', target] = each.split(' -> ')
      mkdirSync(dirname(join(root, path)), { recursive: true })
      if (target === undefined) writeFileSync(join(root, path), '')
      else symlinkSync(target, join(root, path))
    }
    const { command, interactive } = await shellIn(root, {})
    assert.deepEqual([command[0], interactive[0]], [shell, shell])
    assert.equal(command.includes('pipefail'), shell === '/bin/bash')
    for (const named of ['bash', 'sh'] as const)
      assert.equal((await shellIn(root, { shell: named })).command[0], `/bin/${named}`)
  })

test('a device takes its bash where it has one, and a command with whatever is in it', () => {
  const run = (command: string, shell?: 'bash' | 'sh'): string => {
    const [program = '', ...args] = shellOnDevice(shell === undefined ? {} : { shell })
    return execFileSync(program, [...args, command], { encoding: 'utf8' })
  }
  assert.equal(run(`echo "$BASH '\\$x'"`), "/bin/bash '$x'\n")
  assert.equal(run('type shopt >/dev/null 2>&1 || echo none', 'sh'), 'none\n')
  assert.throws(() => run('false | true'))
  assert.throws(() => run('false; true', 'sh'))
})
