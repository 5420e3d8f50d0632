// The README's demo: builds the example's image from signed Debian packages and units built here, boots it in QEMU, logs in,
// runs the image's tests, and publishes the signed feed. Everything that it makes lies under examples/gateway.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const example = join(root, 'examples', 'gateway')
const feed = join(example, 'build', 'feed')
const yoe = join(root, 'bin', 'yoe')

const steps: readonly (readonly [string, readonly string[]])[] = [
  ['Check this machine', ['doctor']],
  ['Build the image (the first build fetches and installs Debian packages, some minutes)', ['build']],
  ['Boot it in QEMU, log in over SSH and run its tests', ['run', '--boot-test']],
  ['Publish the signed package feed', ['publish', '--to', feed]],
]

const start = performance.now()
for (const [index, [title, args]] of steps.entries()) {
  console.log(
    `\n[${index + 1}/${steps.length}] ${title}\n$ yoe ${args.map((arg) => arg.replace(`${example}/`, '')).join(' ')}`,
  )
  const { status, signal } = spawnSync(yoe, args, { cwd: example, stdio: 'inherit' })
  if (status !== 0) {
    console.error(
      `\nthe demo stopped: yoe ${args[0]} ${signal === null ? `ended with exit code ${status}` : `was ended by ${signal}`}`,
    )
    process.exit(status ?? 1)
  }
}
console.log(`
The demo is done in ${Math.round((performance.now() - start) / 1000)} s. What next:
  cd examples/gateway
  ../../bin/yoe run                     boots the image with its console here (ctrl-a x ends it)
  edit sensord/sensord.c, then ../../bin/yoe build: only what changed is built again
  ../../bin/yoe plan                    says what a build would do, and why
  ../../bin/yoe init ~/my-product       makes a project of your own`)
