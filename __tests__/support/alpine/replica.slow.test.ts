import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unusable } from '../emulation.ts'
import { scratch } from '../project.ts'
import { apk2, apk3, inRoot } from './apk.ts'
import { alpineMirror } from './mirror.ts'

const clients = { apk2, apk3 }

for (const branch of ['v3.20', 'v3.23'] as const) {
  for (const arch of ['x86_64', 'aarch64'] as const) {
    for (const [name, apk] of Object.entries(clients)) {
      test(`${name} installs all of the ${branch} replica for ${arch}`, async (t) => {
        const missing = arch === 'aarch64' ? await unusable(t, 'arm64') : undefined
        if (missing !== undefined) return t.skip(missing)
        const { url, keys } = await alpineMirror(t, [`${branch}/main/${arch}`])
        const root = scratch(t)
        const wanted = ['alpine-baselayout', 'alpine-keys', 'apk-tools', 'busybox', 'musl-utils']
        // Its trigger makes an initramfs, which takes an emulator half a minute.
        const kernel = arch === 'x86_64' ? ['linux-virt'] : []
        const more = branch === 'v3.23' ? [...kernel, 'openrc', 'dhcpcd', 'curl', 'sudo'] : []
        const added = await apk(['add', '--initdb', '--no-cache', ...wanted, ...more], {
          arch,
          root,
          keys,
          repositories: [`${url}/${branch}/main`],
        })
        assert.equal(added.code, 0, added.stdout + added.stderr)
        const machine = await inRoot(root, ['sh', '-c', 'uname -m; apk audit --system | grep -v etc/apk'])
        assert.equal(machine.stdout, `${arch}\n`)
      })
    }
  }
}
