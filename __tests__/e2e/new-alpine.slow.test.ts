/** What `yoe init` and `yoe new` make for Alpine builds at once, boots and runs. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { alpineMirror } from '../support/alpine/mirror.ts'
import { smallToolchain, testModule, writeTestModule } from '../support/alpine/project.ts'
import { projectIn, type Ran, scratch } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

test('a new project for Alpine is tested, built and booted; an application of its own is, too', {
  timeout: 900_000,
}, async (t) => {
  const { yoeMirrors } = await alpineMirror(t, ['v3.23/main/x86_64', 'v3.23/community/x86_64'])
  const env = { YOE_MIRRORS: yoeMirrors }
  const folder = scratch(t)
  const fresh = projectIn(join(folder, 'fresh'), join(folder, 'home'), sharedCache())
  const yoe = async (...args: readonly string[]): Promise<Ran> => {
    const ran = await fresh.yoe(args, { env })
    assert.equal(ran.code, 0, ran.stdout + ran.stderr)
    return ran
  }
  const made = await fresh.yoe(['init', 'fresh', '--distro', 'alpine'], { cwd: folder })
  assert.equal(made.code, 0, made.stderr)
  const file = join(fresh.root, 'PROJECT.star')
  const text = readFileSync(file, 'utf8')
  assert.match(text, /distro = "alpine"(?:.|\n)*module\("yoe:module-alpine"\)/)
  // All that differs from what somebody with Alpine's own mirror has.
  writeFileSync(file, text.replace('module("yoe:module-alpine")', testModule))
  await writeTestModule(fresh.root)
  fresh.write({ 'containers/toolchain.star': smallToolchain })

  await yoe('new', 'app', '--lang', 'c', 'my-app')
  const tested = await yoe('test')
  assert.match(tested.stdout, /ok 2 of 2 tests/)
  const image = join(fresh.root, 'images/fresh-image.star')
  const app = '        test("my-app was started", run = "grep -q \'my-app: Hello from my-app\' /var/log/messages"),\n'
  writeFileSync(
    image,
    readFileSync(image, 'utf8').replace('"hello"]', '"hello", "my-app"]').replace('tests = [\n', `tests = [\n${app}`),
  )
  await yoe('build')
  if (!existsSync('/usr/bin/qemu-system-x86_64')) return
  const ran = await yoe('run', '--boot-test')
  assert.match(ran.stdout + ran.stderr, /3 of 3 tests/)
})
