import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync, createReadStream, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { compareDebs } from '#feeds/debian/compare.ts'
import { generateOpenPgpKey } from '#feeds/keys/openpgp.ts'
import { asPlainUser } from '../support/plain-user.ts'
import { checkout, type Ran, scratch, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

const example = join(checkout, 'examples/gateway')
const image = 'gateway-image'

/** What is signed at its own time, says which key signed, or is held while publishing: all else of a feed is the same for all. */
const signed = /(^|\/)(\.lock|InRelease|Release|Release\.gpg|index\.html|.*\.(gpg|asc|sources))$/

test('the same packages, indices and images, whoever builds them, where and when', { timeout: 900_000 }, async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root can be somebody else for a while')
  const cache = sharedCache()
  const here = testProject(t, {}, cache)
  cpSync(example, here.root, { recursive: true, filter: (path) => !/\/(build|cache|repo)$/.test(path) })
  const elsewhere = scratch(t)
  cpSync(here.root, join(elsewhere, 'project'), { recursive: true })

  // The keyring that a feed brings along holds its public key.
  const { privateKey } = await generateOpenPgpKey('gateway')
  const env = { YOE_SIGNING_KEY: privateKey }
  for (const args of [
    ['build', image],
    ['publish', image, '--to', 'out'],
  ])
    assertDone(await here.yoe(args, { env }))
  copyToolchains(cache, join(elsewhere, 'cache'))
  const shared = `"$0" "$1"`
  assertDone(
    await inOtherWorld(
      elsewhere,
      `set -e; ${shared} build ${image}; ${shared} publish ${image} --to out; cp -r out /mnt/world/out; cp "$(find build -name ${image}.img)" /mnt/world/image`,
      env,
    ),
  )

  const [first, second] = [await digestsIn(join(here.root, 'out')), await digestsIn(join(elsewhere, 'out'))]
  assert.ok([...first.keys()].filter((path) => path.endsWith('.deb')).length >= 4, [...first.keys()].join(' '))
  assert.ok([...first.keys()].some((path) => /\/Packages/.test(path)))
  assert.deepEqual([...second.keys()], [...first.keys()])
  const differing = [...first].filter(([path, digest]) => second.get(path) !== digest).map(([path]) => path)
  const details = await Promise.all(
    differing
      .filter((path) => path.endsWith('.deb'))
      .map((path) => compareDebs(join(here.root, 'out', path), join(elsewhere, 'out', path))),
  )
  assert.deepEqual(differing, [], JSON.stringify(details, undefined, 1))
  const [made] = readdirSync(join(here.root, 'build'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith(`/${image}.img`),
  )
  assert.equal(await digestOf(join(elsewhere, 'image')), await digestOf(join(here.root, 'build', made ?? '')))
})

test('yoe reproduce says what of a package depends on circumstances', { timeout: 600_000 }, async (t) => {
  const project = testProject(
    t,
    {
      'PROJECT.star':
        'project(name = "twice", version = "1", modules = [module("yoe:module-debian"), module("yoe:module-core")], defaults = defaults(distro = "debian", machine = "qemu-x86_64"))\n',
      'units/app.star': `unit(name = "same", version = "1", license = "MIT", scope = "noarch", tasks = [
    task("build", run = "mkdir -p $DESTDIR/usr/share/same && echo $SOURCE_DATE_EPOCH >$DESTDIR/usr/share/same/made"),
])
unit(name = "other", version = "1", license = "MIT", scope = "noarch", tasks = [
    task("build", run = "mkdir -p $DESTDIR/usr/share/other && date >$DESTDIR/usr/share/other/made && nproc >$DESTDIR/usr/share/other/built-by"),
])
`,
    },
    sharedCache(),
  )
  const good = await project.yoe(['reproduce', 'same'])
  assert.equal(good.code, 0, good.stdout + good.stderr)
  assert.match(good.stdout, /same same/)
  const bad = await project.yoe(['reproduce', 'same', 'other', '--json'])
  assert.equal(bad.code, 1, bad.stdout + bad.stderr)
  assert.match(bad.stdout, /"units"/)
  const report: {
    readonly varied: readonly string[]
    readonly units: readonly {
      unit: string
      differing: readonly { first: string; differences: readonly { path: string }[] }[]
    }[]
  } = JSON.parse(bad.stdout)
  const found = Object.fromEntries(
    report.units.map(({ unit, differing }) => [
      unit,
      differing.flatMap(({ differences }) => differences.map(({ path }) => path)),
    ]),
  )
  assert.deepEqual(found['same'], [])
  assert.ok(found['other']?.includes('/usr/share/other/made'), bad.stdout)
  if (report.varied.some((each) => each.includes('processors')))
    assert.ok(found['other']?.includes('/usr/share/other/built-by'), bad.stdout)
  const kept = report.units.flatMap(({ differing }) => differing.map(({ first }) => first))
  assert.ok(kept.length > 0 && kept.every((path) => statSync(path).size > 0))
  // What the second build made is nobody's result.
  const again = await project.yoe(['build', 'other', '--json'])
  assert.equal(again.code, 0, again.stderr)
})

function assertDone({ code, stdout, stderr }: Ran): void {
  assert.equal(code, 0, `${stdout}\n${stderr}`.slice(-6000))
}

/** Only what every machine has from the distro's feed: all that units and images are made of is made again. */
function copyToolchains(from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  cpSync(join(from, 'feeds'), join(to, 'feeds'), { recursive: true })
  for (const path of readdirSync(join(from, 'units'), { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.json')) continue
    const { manifest }: { manifest: { unit: string; files: readonly { name: string; sha256: string }[] } } = JSON.parse(
      readFileSync(join(from, 'units', path), 'utf8'),
    )
    if (!['tools-debian', 'toolchain-debian'].includes(manifest.unit)) continue
    cpSync(join(from, 'units', path), join(to, 'units', path))
    for (const { sha256 } of manifest.files) {
      const object = join('objects', sha256.slice(0, 2), sha256.slice(2))
      cpSync(join(from, object), join(to, object))
    }
  }
}

/** As a plain user on another machine, as near as one machine comes to it; see plain-user.sh and other-world.sh. */
function inOtherWorld(world: string, work: string, env: Readonly<Record<string, string>>): Promise<Ran> {
  const script = '/mnt/repo/__tests__/support/other-world.sh'
  const given = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const environment = [...given, 'YOE_CACHE=/mnt/world/cache', `YOE_MIRRORS=${process.env['YOE_MIRRORS'] ?? ''}`]
  return asPlainUser(world, ['env', ...environment, 'sh', script, work], 'elsewhere.example')
}

/** Path to digest of every file that is not signed, in one order. */
async function digestsIn(root: string): Promise<ReadonlyMap<string, string>> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !signed.test(path))
    .toSorted()
  const digests = new Map<string, string>()
  for (const path of files) digests.set(path, await digestOf(join(root, path)))
  return digests
}

async function digestOf(path: string): Promise<string> {
  const sum = createHash('sha256')
  for await (const chunk of createReadStream(path)) sum.update(chunk)
  return sum.digest('hex')
}
