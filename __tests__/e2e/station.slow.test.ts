import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { apk2, apk3 } from '../support/alpine/apk.ts'
import { alpineProject } from '../support/alpine/project.ts'
import { checkout, type Ran, scratch, type Texts } from '../support/project.ts'

const example = join(checkout, 'examples/station')
const images = ['station-alpine', 'station-debian']

/** The example as it is committed; only module-alpine, whose feed has to be one that a mirror of this machine serves, is a copy. */
function exampleTexts(): Texts {
  const files = readdirSync(example, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(example, join(entry.parentPath, entry.name)))
    .filter((path) => /^(?:PROJECT\.star|(?:units|images|src)\/.*)$/.test(path))
  const texts = Object.fromEntries(files.map((path) => [path, readFileSync(join(example, path), 'utf8')]))
  const own = 'module("https://example.com/alpine.git", ref = "v1", path = "module-alpine", local = "modules")'
  const project = texts['PROJECT.star'] ?? ''
  assert.ok(project.includes('module("yoe:module-alpine")'))
  return { ...texts, 'PROJECT.star': project.replace('module("yoe:module-alpine")', own) }
}

function passes(ran: Ran, log = ''): Ran {
  assert.equal(ran.code, 0, ran.stdout + ran.stderr + log)
  return ran
}

test('examples/station: one application on Debian and on Alpine; both images boot, and devices upgrade to its second release', {
  timeout: 900_000,
}, async (t) => {
  if (!existsSync('/usr/bin/qemu-system-x86_64')) return t.skip('no qemu-system-x86_64')
  const texts = exampleTexts()
  const project = await alpineProject(t, texts)
  const { env } = project
  passes(await project.yoe(['build', ...images], { env }))

  const plan = passes(await project.yoe(['plan', ...images, '--json'], { env }))
  const built = (distro: string): string =>
    new RegExp(`"id": "${distro}/station.x86_64",\\s+"kind": "package",\\s+"hash": "([0-9a-f]{64})"`).exec(
      plan.stdout,
    )?.[1] ?? ''
  assert.ok(built('alpine') !== '' && built('debian') !== '' && built('alpine') !== built('debian'), plan.stdout)

  for (const distro of ['alpine', 'debian']) {
    const image = `station-${distro}`
    const ran = await project.yoe(['run', image, '--boot-test'], { env })
    const serial = join(project.root, `build/${distro}/${image}.qemu-x86_64/boot-test/serial.log`)
    passes(ran, existsSync(serial) ? readFileSync(serial, 'utf8').slice(-3000) : '')
    assert.match(ran.stdout + ran.stderr, /3 of 3 tests/)
  }

  passes(await project.yoe(['key', 'generate'], { env }))
  const feed = join(project.root, 'feed')
  const publish = async (): Promise<Ran> => passes(await project.yoe(['publish', ...images, '--to', feed], { env }))
  await publish()

  // Each has its own init's service, and nothing of the other's.
  const published = (name: RegExp): string => {
    const found = readdirSync(feed, { recursive: true })
      .map(String)
      .filter((path) => name.test(path))
    assert.equal(found.length, 1, `${name}: ${found}`)
    return join(feed, found[0] ?? '')
  }
  const run = promisify(execFile)
  const deb = (await run('dpkg-deb', ['--contents', published(/\/station_1\.0\.0.*\.deb$/)])).stdout
  const apk = (await run('tar', ['-tzf', published(/\/station-1\.0\.0-r0\.apk$/)])).stdout
  assert.ok(deb.includes('/usr/lib/systemd/system/station.service') && !/init\.d|runlevels/.test(deb), deb)
  assert.ok(apk.includes('etc/runlevels/default/station') && !apk.includes('systemd/system'), apk)

  const devices = [apk2, apk3].map((apk, index) => {
    const root = join(scratch(t), `device${index}`)
    mkdirSync(root)
    const options = { root, keys: feed, repositories: [join(feed, 'alpine')] }
    return async (...args: string[]): Promise<string> => passes(await apk(args, options)).stdout
  })
  for (const device of devices) await device('add', '--initdb', '--no-scripts', 'station')
  project.write({
    'units/station.star': (texts['units/station.star'] ?? '').replace('version = "1.0.0"', 'version = "1.1.0"'),
  })
  passes(await project.yoe(['build', ...images], { env }))
  await publish()
  for (const device of devices) {
    assert.match(await device('upgrade', '--no-scripts'), /Upgrading station \(1\.0\.0-r0 -> 1\.1\.0-r0\)/)
    assert.equal((await device('audit', '--system')).trim(), '')
  }
})
