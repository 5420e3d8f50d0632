import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { maintainerScripts } from '../../../src/feeds/debian/maintainer-scripts.ts'
import { run, scratch } from '../../support/making.ts'

const nothing = { entries: [] }

/** Runs one maintainer script among tools that only write down how they were called. */
async function calls(
  t: TestContext,
  script: string,
  args: readonly string[],
  live: boolean,
): Promise<readonly string[]> {
  const folder = await scratch(t)
  const bin = join(folder, 'bin')
  await mkdir(bin)
  const log = join(folder, 'log')
  await writeFile(log, '')
  for (const tool of ['deb-systemd-helper', 'deb-systemd-invoke', 'systemctl']) {
    await writeFile(join(bin, tool), `#!/bin/sh\necho "${tool}" "$@" >>'${log}'\n`, { mode: 0o755 })
  }
  // Whether systemd runs is read off a folder; each script is pointed at one of its own.
  const running = join(folder, live ? '' : 'none')
  const text = maintainerScripts(nothing, ['app', 'tick.timer']).get(script)?.replaceAll('/run/systemd/system', running)
  await writeFile(join(folder, script), text ?? '')
  const ran = await run('/bin/sh', [join(folder, script), ...args], { PATH: `${bin}:/usr/bin:/bin` })
  assert.deepEqual([ran.code, ran.stderr, ran.stdout], [0, '', ''])
  return (await readFile(log, 'utf8')).split('\n').filter(Boolean)
}

const helper = (...verbs: string[]): string[] =>
  ['app.service', 'tick.timer'].flatMap((unit) => verbs.map((verb) => `deb-systemd-helper ${verb} ${unit}`))

describe('maintainer scripts', () => {
  const enabling = helper('unmask', '--quiet was-enabled', 'enable')
  const both = 'app.service tick.timer'
  const rows: readonly { script: string; args: string[]; live?: boolean; want: readonly string[] }[] = [
    { script: 'postinst', args: ['configure', ''], want: enabling },
    {
      script: 'postinst',
      args: ['configure', ''],
      live: true,
      want: [...enabling, 'systemctl --system daemon-reload', `deb-systemd-invoke start ${both}`],
    },
    {
      script: 'postinst',
      args: ['configure', '1.0'],
      live: true,
      want: [...enabling, 'systemctl --system daemon-reload', `deb-systemd-invoke restart ${both}`],
    },
    { script: 'postinst', args: ['triggered', 'x'], live: true, want: [] },
    { script: 'prerm', args: ['remove'], want: [] },
    { script: 'prerm', args: ['remove'], live: true, want: [`deb-systemd-invoke stop ${both}`] },
    { script: 'prerm', args: ['upgrade', '2.0'], live: true, want: [] },
    { script: 'postrm', args: ['remove'], want: [] },
    { script: 'postrm', args: ['remove'], live: true, want: ['systemctl --system daemon-reload'] },
    {
      script: 'postrm',
      args: ['purge'],
      want: [`deb-systemd-helper purge ${both}`, `deb-systemd-helper unmask ${both}`],
    },
  ]
  for (const { script, args, live = false, want } of rows) {
    test(`${script} ${args.join(' ')}, ${live ? 'on a running system' : 'in an image'}`, async (t) => {
      assert.deepEqual(await calls(t, script, args, live), want)
    })
  }

  test('a package without services has none', () => assert.equal(maintainerScripts(nothing, []).size, 0))
})
