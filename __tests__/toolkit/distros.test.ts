import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { vendorProject } from '../support/vendor-project.ts'

interface Planned {
  readonly machine: string
  readonly units: readonly { readonly id: string; readonly target: boolean }[]
}

const targetsOf = (text: string): readonly string[] => {
  const plan: Planned = JSON.parse(text)
  return plan.units.filter(({ target }) => target).map(({ id }) => id)
}

test('targets of two distros are planned each for its own, and no feed is opened that nothing needs', async (t) => {
  const project = await vendorProject(t)
  const both = await project.yoe(['plan', '--json', 'panel-image', 'gateway-image', 'webui'])
  assert.equal(both.code, 0, both.stderr)
  assert.deepEqual(targetsOf(both.stdout), [
    'ubuntu/panel-image.bench',
    'debian/webui.noarch',
    'debian/gateway-image.bench',
  ])

  // Nothing can be read of Ubuntu's feed from here on.
  rmSync(join(dirname(project.root), 'archive/ubuntu'), { recursive: true })
  rmSync(project.cache, { recursive: true })
  const debian = await project.yoe(['plan', '--json', 'gateway-image', 'webui'])
  assert.equal(debian.code, 0, debian.stderr)
  assert.deepEqual(targetsOf(debian.stdout), ['debian/webui.noarch', 'debian/gateway-image.bench'])
  const ubuntu = await project.yoe(['plan', '--json', 'panel-image', 'gateway-image'])
  assert.notEqual(ubuntu.code, 0)
  assert.match(ubuntu.stderr, /product-common\.ubuntu|ubuntu/)
})

test('what takes targets of one distro says so before it opens a feed', async (t) => {
  const project = await vendorProject(t)
  rmSync(join(dirname(project.root), 'archive'), { recursive: true })
  const { code, stderr } = await project.yoe(['container', 'build', 'panel-image', 'gateway-image'])
  assert.equal(code, 2)
  assert.match(stderr, /this takes targets of one distro; of different ones are: panel-image and gateway-image/)
})

test('an image that a machine has no kernel for is no cell, and says why when it is built by name', async (t) => {
  const project = await vendorProject(t)
  project.write({
    'machines/desk.star':
      'machine(name = "desk", arch = "x86_64", distro_kernels = {"debian": kernel(unit = "linux-generic")})\n',
  })
  const cells = await project.yoe(['ci', '--json'])
  assert.ok(cells.code === 0 && !cells.stdout.includes('desk/panel-image'), cells.stdout + cells.stderr)
  assert.ok(cells.stdout.includes('desk/gateway-image'))
  const inert = await project.yoe(['plan', 'panel-image', '--machine', 'desk'])
  assert.equal(inert.code, 2)
  assert.match(
    inert.stderr,
    /images\/panel\.star:1.*\n?.*image "panel-image" can't be built for machine "desk": machine "desk" has a kernel for debian, not for ubuntu/,
  )
  const cell = await project.yoe(['ci', '--cell', 'desk/panel-image'])
  assert.equal(cell.code, 2)
  assert.match(cell.stderr, /has a kernel for debian, not for ubuntu/)
})
