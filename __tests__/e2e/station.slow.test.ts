import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { apk2, apk3, inRoot } from '../support/alpine/apk.ts'
import { alpineProject, testModule } from '../support/alpine/project.ts'
import { imageRoot } from '../support/image-root.ts'
import { webServer } from '../support/local-server.ts'
import { checkout, type Ran, type Texts } from '../support/project.ts'

const example = join(checkout, 'examples/station')
const images = ['station-alpine', 'station-debian']

/** A text with a part of it replaced, which it has. */
function replaced(text = '', part: string, by: string): string {
  assert.ok(text.includes(part), part)
  return text.replace(part, by)
}

/** The example as it is committed; only module-alpine, whose feed has to be one that a mirror of this machine serves, is a copy. */
function exampleTexts(): Texts {
  const files = readdirSync(example, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(example, join(entry.parentPath, entry.name)))
    .filter((path) => /^(?:PROJECT\.star|(?:units|images|src|keys)\/.*)$/.test(path))
  const texts = Object.fromEntries(files.map((path) => [path, readFileSync(join(example, path), 'utf8')]))
  return { ...texts, 'PROJECT.star': replaced(texts['PROJECT.star'], 'module("yoe:module-alpine")', testModule) }
}

/** The commands that its page shows, in their order: arguments, and the file that takes what is printed. */
const shown = [...readFileSync(join(example, 'README.md'), 'utf8').matchAll(/^yoe (.+?)(?: >(\S+))?$/gm)].map(
  ([, argv = '', file]) => ({ argv: argv.split(' '), file }),
)

function passes(ran: Ran, log = ''): Ran {
  assert.equal(ran.code, 0, ran.stdout + ran.stderr + log)
  return ran
}

test('examples/station: one application on Debian and on Alpine; both images boot, and follow their feed to its second release', {
  timeout: 1_200_000,
}, async (t) => {
  if (!existsSync('/usr/bin/qemu-system-x86_64')) return t.skip('no qemu-system-x86_64')
  const texts = exampleTexts()
  const project = await alpineProject(t, texts)
  // Where the page has it published; as if it were served at the address that the project says.
  const site = join(project.root, 'public')
  mkdirSync(site)
  const url = await webServer(t, site)
  project.write({ 'PROJECT.star': replaced(texts['PROJECT.star'], 'https://feed.example.com', url) })
  const { env } = project

  const yoe = async (...argv: readonly string[]): Promise<Ran> => passes(await project.yoe(argv, { env }))

  assert.deepEqual(
    shown.map(({ argv: [command] }) => command),
    ['build', 'run', 'run', 'key', 'key', 'key', 'publish'],
  )
  for (const { argv, file } of shown) {
    const ran = await project.yoe(argv, { env })
    const boots = argv.includes('--boot-test')
    passes(ran, boots ? serialLog(project.root, argv[1]) : '')
    if (boots) assert.match(ran.stdout + ran.stderr, /3 of 3 tests/)
    if (file !== undefined) project.write({ [file]: ran.stdout })
    if (argv[1] !== 'generate') continue
    // Devices would not believe it before the project names the keys.
    const refused = await project.yoe(['publish', ...images, '--to', site], { env })
    assert.match(refused.stderr, /KEY_INVALID.*: devices would not believe .*\n.*yoe key export/)
    assert.deepEqual(readdirSync(site), [])
  }

  const plan = await yoe('plan', ...images, '--json')
  const built = (distro: string): string =>
    new RegExp(`"id": "${distro}/station.x86_64",\\s+"kind": "package",\\s+"hash": "([0-9a-f]{64})"`).exec(
      plan.stdout,
    )?.[1] ?? ''
  assert.ok(built('alpine') !== '' && built('debian') !== '' && built('alpine') !== built('debian'), plan.stdout)

  // Each has its own init's service, and nothing of the other's.
  const published = (name: RegExp): string => {
    const found = readdirSync(site, { recursive: true })
      .map(String)
      .filter((path) => name.test(path))
    assert.equal(found.length, 1, `${name}: ${found}`)
    return join(site, found[0] ?? '')
  }
  const run = promisify(execFile)
  const deb = (await run('dpkg-deb', ['--contents', published(/\/station_1\.0\.0.*\.deb$/)])).stdout
  const apk = (await run('tar', ['-tzf', published(/\/station-1\.0\.0-r0\.apk$/)])).stdout
  assert.ok(deb.includes('/usr/lib/systemd/system/station.service') && !/init\.d|runlevels/.test(deb), deb)
  assert.ok(apk.includes('etc/runlevels/default/station') && !apk.includes('systemd/system'), apk)

  // Devices with these keys, and what their image knows: two with Alpine, one for each apk, and one with Debian.
  await yoe('build', ...images)
  const device = (distro: string): string =>
    imageRoot(t, join(project.root, `build/${distro}/station-${distro}.qemu-x86_64/station-${distro}.img`)).root
  const alpines = [apk2, apk3].map((client) => {
    const root = device('alpine')
    return async (...args: readonly string[]): Promise<string> => passes(await client(args, { root })).stdout
  })
  const debian = device('debian')
  const apt = async (...args: readonly string[]): Promise<string> => {
    const argv = ['apt-get', '--yes', '-o', 'APT::Sandbox::User=root', '-o', 'APT::Update::Error-Mode=any', ...args]
    return passes(await inRoot(debian, argv, { env: { DEBIAN_FRONTEND: 'noninteractive' } })).stdout
  }
  project.write({
    'units/station.star': replaced(texts['units/station.star'], 'version = "1.0.0"', 'version = "1.1.0"'),
  })
  await yoe('publish', ...images, '--to', site)
  for (const alpine of alpines) {
    await alpine('update')
    assert.match(await alpine('upgrade'), /Upgrading station \(1\.0\.0-r0 -> 1\.1\.0-r0\)/)
    assert.equal((await alpine('audit', '--system')).trim(), '')
  }
  await apt('update')
  assert.match(await apt('upgrade'), /^Setting up station \(1\.1\.0-r0\)/m)
  passes(await inRoot(debian, ['dpkg', '--verify', 'station']))
})

function serialLog(root: string, image = ''): string {
  const folder = `build/${image.replace('station-', '')}/${image}.qemu-x86_64`
  const path = join(root, folder, 'boot-test/serial.log')
  return existsSync(path) ? readFileSync(path, 'utf8').slice(-3000) : ''
}
