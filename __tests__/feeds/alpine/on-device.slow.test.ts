import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { removeTree } from '../../../src/engine/build/tree.ts'
import { onDevice } from '../../../src/feeds/alpine/on-device.ts'
import { generateRsaKey } from '../../../src/feeds/keys/rsa.ts'
import { apk2, apk3, inRoot } from '../../support/alpine/apk.ts'
import { replica, testKeyFolder } from '../../support/alpine/replica.ts'
import { keysFolder, packed } from './making.ts'

for (const [branch, apk] of [
  ['v3.20', apk2],
  ['v3.23', apk3],
] as const) {
  test(`${branch}: a developer's device takes package files of any version, and asks for names afterwards`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'yoe-on-device-'))
    t.after(() => removeTree(folder))
    const root = join(folder, 'root')
    mkdirSync(root)
    const keys = await keysFolder(folder, await generateRsaKey('demo'))
    const theirs = await testKeyFolder()
    for (const name of readdirSync(theirs)) copyFileSync(join(theirs, name), join(keys, name))
    const made = await apk(
      ['--no-cache', 'add', '--initdb', 'alpine-baselayout', 'busybox', 'busybox-binsh', 'apk-tools'],
      {
        root,
        keys,
        repositories: [await replica(branch, 'x86_64')],
      },
    )
    assert.equal(made.code, 0, made.stdout + made.stderr)
    writeFileSync(join(root, 'etc/apk/repositories'), '')

    const deploy = async (version: string): Promise<void> => {
      const files: string[] = []
      for (const name of ['app', 'app-dev', 'app-doc']) {
        const [main] = await packed(
          mkdtempSync(join(folder, 'unit-')),
          { [`usr/share/${name}/version`]: version },
          { name, version },
        )
        files.push(`./${basename(main?.path ?? '')}`)
        copyFileSync(main?.path ?? '', join(root, 'srv', basename(main?.path ?? '')))
      }
      const script = `set -eu\ncd /srv\nmain=$1; shift\n${onDevice.addFiles}`
      const ran = await inRoot(root, ['sh', '-c', script, 'install', ...files])
      assert.equal(ran.code, 0, ran.stdout + ran.stderr)
    }
    const there = (name: string): string | undefined => {
      try {
        return readFileSync(join(root, `usr/share/${name}/version`), 'utf8')
      } catch {
        return undefined
      }
    }
    const world = (): readonly string[] => readFileSync(join(root, 'etc/apk/world'), 'utf8').trim().split('\n')
    const before = world()
    await deploy('1.1')
    assert.deepEqual(['app', 'app-dev', 'app-doc'].map(there), ['1.1', undefined, undefined])
    assert.deepEqual(world(), [...before, 'app'])
    // What is there is replaced, by an older version too.
    const added = await inRoot(root, ['apk', 'add', '--allow-untrusted', '/srv/app-doc-1.1-r0.apk'])
    assert.equal(added.code, 0, added.stdout + added.stderr)
    writeFileSync(join(root, 'etc/apk/world'), `${[...before, 'app', 'app-doc'].join('\n')}\n`)
    await deploy('1.0')
    assert.deepEqual(['app', 'app-dev', 'app-doc'].map(there), ['1.0', undefined, '1.0'])
    assert.deepEqual(world(), [...before, 'app', 'app-doc'])
    const audit = await inRoot(root, ['apk', 'audit', '--system'])
    assert.doesNotMatch(audit.stdout, /usr\/share\/app/)
  })
}
