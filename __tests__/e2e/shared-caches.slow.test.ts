/** One machine builds, others restore: by the command line, over a folder, a bucket and a web server. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { generateCacheKey } from '#engine/store/signing.ts'
import { webServer } from '../support/local-server.ts'
import { testProject } from '../support/project.ts'
import { secret, testBucket } from '../support/s3.ts'
import { sharedCache } from '../support/shared-cache.ts'

test('what one machine built, others restore; a cache that is down is one warning; no secret is told', async (t) => {
  const pair = generateCacheKey()
  const { bucket, endpoint, env, folder: objects } = await testBucket(t)
  const version = `${Date.now()}.${process.pid}`
  const project = testProject(t, {
    'PROJECT.star': `project(
    name = "demo",
    version = "1.0",
    defaults = defaults(machine = "qemu-x86_64", distro = "debian"),
    modules = [module("yoe:module-debian"), module("yoe:module-core")],
    cache = cache(
        remote = [
            dir_cache(name = "office", path = "../office"),
            s3_cache(name = "team", bucket = "${bucket}", endpoint = "${endpoint}", prefix = "yoe"),
        ],
        signing = "${pair.publicKey}",
    ),
)
`,
    'units/app.star': `unit(name = "app", version = "${version}", license = "MIT", tasks = [task("build", steps = [
    "mkdir -p $DESTDIR/usr/share/app; echo ${version} >$DESTDIR/usr/share/app/version",
])])
`,
  })
  const office = join(dirname(project.root), 'office')
  const events = join(dirname(project.root), 'events')
  let told = ''
  const build = async (cache: string, variables: Readonly<Record<string, string>>, ...args: readonly string[]) => {
    const ran = await project.yoe(['build', 'app', '--events', events, ...args], {
      env: { YOE_CACHE: cache, ...variables },
    })
    told += ran.stdout + ran.stderr + readFileSync(events, 'utf8')
    assert.equal(ran.code, 0, ran.stderr)
    const warnings = ran.stderr.split('\n').filter((line) => line.startsWith('warning'))
    return { outcome: /^(built|restored|cached) +\S*app\S* /m.exec(ran.stderr)?.[1], warnings, deb: ran.stdout.trim() }
  }

  const builder = await build(sharedCache(), { ...env, YOE_CACHE_SIGNING_KEY: pair.privateKey })
  assert.deepEqual([builder.outcome, builder.warnings], ['built', []])
  const [name = ''] = readdirSync(join(office, 'units', 'x86_64'))
  assert.deepEqual(
    readFileSync(join(office, 'units', 'x86_64', name)),
    readFileSync(join(objects, 'yoe', 'units', 'x86_64', name)),
    'the same bytes under the same name everywhere',
  )
  const deb = readFileSync(builder.deb)

  // Another machine, without the key; its own cache forgets the unit each time.
  const other = join(dirname(project.root), 'other')
  const restoring = async (variables: Readonly<Record<string, string>>, ...args: readonly string[]) => {
    rmSync(join(other, 'units'), { recursive: true, force: true })
    rmSync(join(project.root, 'build', 'debian'), { recursive: true, force: true })
    const ran = await build(other, variables, ...args)
    assert.deepEqual([ran.outcome, readFileSync(ran.deb).equals(deb)], ['restored', true])
    return ran.warnings
  }
  assert.deepEqual(await restoring(env), [], 'from the nearest')
  rmSync(office, { recursive: true })
  assert.deepEqual(await restoring(env), [], 'from the bucket')
  assert.ok(!existsSync(office), 'who has no key writes nothing')

  const mirror = join(objects, 'yoe')
  assert.deepEqual(await restoring({}, '--remote-cache', `file://${mirror}`), [])
  const web = await webServer(t, mirror, `reader:${secret}`)
  const auth = { YOE_HTTP_CACHE_AUTH: `${new URL(web).host}=reader:${secret}` }
  assert.deepEqual(await restoring({ YOE_REMOTE_CACHE: web, ...auth }), [])

  const down = { ...env, YOE_REMOTE_CACHE: `s3://team-cache?endpoint=http://127.0.0.1:9 file://${mirror}` }
  const warnings = await restoring(down)
  assert.equal(warnings.length, 1)
  assert.match(warnings[0] ?? '', /^warning: s3:\/\/team-cache: .*connection refused/)
  assert.ok(!told.includes(secret) && !told.includes(pair.privateKey.split(':')[1] ?? ''))
})
