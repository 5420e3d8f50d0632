/** H4: what only this process may know is in no log, event, package, cache or command line, however a task looks for it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, randomBytes } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateCacheKey } from '#engine/store/signing.ts'
import { generateOpenPgpKey } from '#feeds/keys/openpgp.ts'
import { generateRsaKey } from '#feeds/keys/rsa.ts'
import { alpineProject } from '../support/alpine/project.ts'
import { sleep, until } from '../support/processes.ts'
import { debianProject, type TestProject, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

const secret = `canary${randomBytes(12).toString('hex')}`

/** Ways in which a text may be written down. */
const spelt = (text: string | Uint8Array): readonly string[] => [
  Buffer.from(text).toString('latin1'),
  Buffer.from(text).toString('base64').replace(/=+$/, ''),
  Buffer.from(text).toString('hex'),
  [...Buffer.from(text).toString('latin1')].join('\n'),
]
const spellings = spelt(secret)

/** Every file below these folders that was written since `marker` was, and has the secret in it. */
function leaks(folders: readonly string[], marker: string, wanted = spellings): readonly string[] {
  const found = execFileSync(
    'find',
    [...folders, '-xdev', '-type', 'f', '-newer', marker, '-size', '-20M', '-print0'],
    {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    },
  )
  const files = found.split('\0').filter(Boolean)
  return files.filter((file) => {
    const text = existsSync(file) ? readFileSync(file, 'latin1') : ''
    return wanted.some((one) => text.includes(one))
  })
}

const look = [
  'env; cat /proc/self/environ | tr "\\\\0" "\\\\n"; cat /proc/*/environ 2>/dev/null | tr "\\\\0" "\\\\n" || true',
  'cat /proc/*/cmdline 2>/dev/null | tr "\\\\0" "\\\\n" || true',
  'env | base64 -w0; env | od -An -tx1 | tr -d " \\\\n"; env | sed "s/./&\\\\n/g"',
  'find / -xdev -name "*.asc" -o -xdev -name "*.key" 2>/dev/null; ls -la / /root /home || true',
  'sleep 2; mkdir -p $DESTDIR/etc && env | grep -v /build/ >$DESTDIR/etc/found',
].join('; ')

function looking(project: TestProject, run: string): void {
  project.write({
    'PROJECT.star': debianProject,
    'units/u.star': `unit(name = "uu", version = "1", license = "MIT", qa_skip = {"license": "a test"}, tasks = [task("fetch", network = True, run = ${JSON.stringify(run)})])\n`,
  })
}

const environment = {
  YOE_SIGNING_KEY: secret,
  YOE_CACHE_SIGNING_KEY: secret,
  GITHUB_TOKEN: secret,
  ACTIONS_RUNTIME_TOKEN: secret,
  AWS_SECRET_ACCESS_KEY: secret,
  YOE_HTTP_CACHE_AUTH: `cache.lan=${secret}`,
  NPM_TOKEN: secret,
  SOME_PASSWORD: secret,
}

test('H4: a task that looks everywhere finds no secret; nothing that is kept or told has one', async (t) => {
  const project = testProject(t, {}, sharedCache())
  const marker = join(project.root, 'marker')
  project.write({ marker: '' })
  looking(project, look)
  const home = join(project.root, '..', 'home')
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, '.netrc'), `machine x login y password ${secret}\n`)
  const { YOE_CACHE_SIGNING_KEY: _, YOE_SIGNING_KEY: __, ...others } = environment
  const running = project.start(['build', 'uu', '--force', '-v', '--events', join(project.root, 'events')], {
    env: others,
  })
  let lines = ''
  await until(
    'it is over',
    () => {
      if (lines.length < 1e7)
        lines += execFileSync('ps', ['axww', '-o', 'args='], { encoding: 'utf8', maxBuffer: 1 << 26 })
      return running.child.exitCode !== null
    },
    120,
  )
  const ran = await running.ended
  assert.equal(ran.code, 0, ran.stderr)
  assert.match(readFileSync(join(project.root, 'build/debian/uu.x86_64/build.log'), 'utf8'), /UNIT=uu/, 'it did look')
  for (const text of [ran.stdout, ran.stderr, lines]) for (const one of spellings) assert.ok(!text.includes(one))
  assert.deepEqual(leaks([project.root, sharedCache()], marker), [])
})

test('H4: a key that is none is not shown in the error', async (t) => {
  const project = testProject(t, {}, sharedCache())
  looking(project, 'mkdir -p $DESTDIR/etc; echo 1 >$DESTDIR/etc/uu')
  const events = join(project.root, 'events')
  const ran = await project.yoe(['build', 'uu', '--force', '-v', '--events', events], { env: environment })
  assert.notEqual(ran.code, 0)
  for (const text of [ran.stdout, ran.stderr, readFileSync(events, 'utf8')])
    for (const one of spellings) assert.ok(!text.includes(one), text)
})

test('C9: keys that are in use are nowhere but in their own variables: tasks, logs, caches, feeds and pages have none', async (t) => {
  const project = testProject(t, {}, sharedCache())
  const marker = join(project.root, 'marker')
  project.write({ marker: '' })
  looking(project, look)
  const cacheKey = generateCacheKey()
  const feedKey = await generateOpenPgpKey('demo')
  const { readPrivateKey } = await import('openpgp')
  const { keyPacket } = await readPrivateKey({ armoredKey: feedKey.privateKey })
  const seed: unknown = Reflect.get(Object(Reflect.get(keyPacket, 'privateParams')), 'seed')
  assert.ok(seed instanceof Uint8Array && seed.length === 32)
  const cacheSeed = cacheKey.privateKey.replace('ed25519-private:', '')
  const wanted = [
    ...[cacheSeed, Buffer.from(cacheSeed, 'base64'), seed, feedKey.privateKey.split('\n')[4] ?? secret].flatMap(spelt),
    'BEGIN PGP PRIVATE',
    cacheKey.privateKey,
  ]
  project.write({
    'keys/cache.pub': cacheKey.publicKey,
    'PROJECT.star': debianProject.replace(
      'version = "1.0",',
      'version = "1.0",\n    cache = cache(signing = "keys/cache.pub"),',
    ),
  })
  const shared = join(project.root, '../shared')
  const env = {
    YOE_SIGNING_KEY: feedKey.privateKey,
    YOE_CACHE_SIGNING_KEY: cacheKey.privateKey,
    YOE_REMOTE_CACHE: `file://${shared}`,
  }
  const events = ['--events', join(project.root, 'events')]
  for (const args of [
    ['build', 'uu', '--force', '-v', ...events],
    ['publish', 'uu', '--to', 'public', '-v'],
    ['key', 'show'],
    ['key', 'export', 'feed'],
    ['key', 'rotate', 'cache'],
  ]) {
    const ran = await project.yoe(args, { env })
    assert.equal(ran.code, args[1] === 'rotate' ? 2 : 0, ran.stderr)
    for (const one of wanted) assert.ok(!`${ran.stdout}${ran.stderr}`.includes(one), args.join(' '))
  }
  assert.match(readFileSync(join(project.root, 'build/debian/uu.x86_64/build.log'), 'utf8'), /UNIT=uu/, 'it did look')
  assert.ok(globSync('units/*/*', { cwd: shared }).length > 0, 'the cache key was in use')
  assert.ok(existsSync(join(project.root, 'public/debian/dists')), 'so was the other')
  assert.deepEqual(leaks([project.root, shared, sharedCache()], marker, wanted), [])
  // The control: a key that lies in the project is found.
  project.write({ 'naive.key': cacheKey.privateKey })
  assert.equal(leaks([project.root], marker, wanted).length, 1)
})

test('C9: neither is the key of Alpine feeds', async (t) => {
  const project = await alpineProject(t, {
    marker: '',
    'units/u.star': `unit(name = "uu", version = "1", license = "MIT", distro = "alpine", container = "tools", shell = "sh", qa_skip = {"license": "a test"}, tasks = [task("fetch", network = True, run = ${JSON.stringify(look)})])\n`,
  })
  const marker = join(project.root, 'marker')
  const { privateKey } = await generateRsaKey('demo')
  const { d = '', p = '' } = createPrivateKey(privateKey).export({ format: 'jwk' })
  const wanted = [
    ...[d, p].flatMap((number) => spelt(Buffer.from(number, 'base64url'))),
    ...privateKey.split('\n').filter((line) => /^[A-Za-z0-9+/]{64}$/.test(line)),
    'PRIVATE KEY-----',
  ]
  const env = { ...project.env, YOE_APK_SIGNING_KEY: privateKey }
  for (const args of [
    ['build', 'uu', '--force', '-v', '--events', join(project.root, 'events')],
    ['publish', 'uu', '--to', 'public', '-v'],
    ['key', 'show'],
  ]) {
    const ran = await project.yoe(args, { env })
    assert.equal(ran.code, 0, ran.stderr)
    for (const one of wanted) assert.ok(!`${ran.stdout}${ran.stderr}`.includes(one), args.join(' '))
  }
  assert.match(readFileSync(join(project.root, 'build/alpine/uu.x86_64/build.log'), 'utf8'), /UNIT=uu/, 'it did look')
  assert.ok(existsSync(join(project.root, 'public/alpine/x86_64/APKINDEX.tar.gz')), 'the key was in use')
  assert.deepEqual(leaks([project.root, sharedCache()], marker, wanted), [])
  // The control: a key that lies in the project is found.
  project.write({ 'naive.rsa': privateKey })
  assert.equal(leaks([project.root], marker, wanted).length, 1)
})

test('I8: the search finds a secret that a naive build writes down, in each spelling', async (t) => {
  const project = testProject(t, {}, sharedCache())
  project.write({ marker: '' })
  await sleep(20)
  for (const [index, text] of spellings.entries()) project.write({ [`leak-${index}`]: `x ${text} y` })
  assert.equal(leaks([project.root], join(project.root, 'marker')).length, spellings.length)
})
