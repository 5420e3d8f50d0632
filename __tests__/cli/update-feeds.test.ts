/** `yoe update-feeds`: what a maintainer of a module types, over a mirror whose indexes a test signs. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { indexArchive } from '#feeds/alpine/index-archive.ts'
import { freshRsaKey, publicPem, type RsaKey } from '#feeds/keys/rsa.ts'
import { indexText, paragraph } from '../feeds/alpine/feed-making.ts'
import { served } from '../support/local-server.ts'
import { type Ran, scratch, type TestProject, testProject } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'

const signer = freshRsaKey('test.rsa.pub', new Date(0))
const stranger = freshRsaKey('test.rsa.pub', new Date(0))
/** Nobody listens there. */
const down = 'http://127.0.0.1:9'

interface Scene extends TestProject {
  readonly mirror: string
  /** Puts an index of these packages on the mirror. @param date seconds since 1970 */
  publish(names: readonly string[], options?: { date?: number; section?: string; key?: Promise<RsaKey> }): Promise<void>
  run(args?: readonly string[], mirrors?: string): Promise<Ran>
  /** The packages that the module's index lists; undefined: it has none. */
  kept(section?: string, arch?: string): string | undefined
}

const module = 'modules/mine'

/** @param feeds by name, each with its sections */
async function scene(
  t: TestContext,
  feeds: Readonly<Record<string, readonly string[]>> = { main: ['main'] },
  index = true,
): Promise<Scene> {
  const mirror = scratch(t)
  const declared = Object.entries(feeds).map(
    ([
      name,
      sections,
    ]) => `alpine_feed(name = "${name}", branch = "v3.19", url = "https://alpine.example", sections = ${JSON.stringify(sections)},
    keys = ["keys/test.rsa.pub"]${index ? `, index = "feeds/${name}"` : ''})\n`,
  )
  const project = testProject(t, {
    'PROJECT.star': `project(name = "demo", version = "1.0", defaults = defaults(machine = "box", image = "img", distro = "alpine"),
    modules = [module(local = "${module}")])\n`,
    'machines/box.star': 'machine(name = "box", arch = "x86_64", kernel = kernel(unit = "linux"))\n',
    'images/img.star': 'image(name = "img", artifacts = [])\n',
    [`${module}/MODULE.star`]: `module_info(name = "mine")\n${declared.join('')}`,
    [`${module}/keys/test.rsa.pub`]: publicPem((await signer).key),
  })
  return {
    ...project,
    mirror,
    async publish(names, { date = 1_700_000_000, section = 'main', key = signer } = {}) {
      const path = join(mirror, 'v3.19', section, 'x86_64/APKINDEX.tar.gz')
      mkdirSync(dirname(path), { recursive: true })
      const text = indexText(names.map((P) => paragraph({ P })))
      writeFileSync(path, await indexArchive(text, 'v3.19.1', date, [await key]))
    },
    run: (args = [], mirrors = `https://alpine.example=file://${mirror},only`) =>
      project.yoe(['update-feeds', ...args], { env: { YOE_MIRRORS: mirrors } }),
    kept(section = 'main', arch = 'x86_64') {
      const [name = '', sections = []] = Object.entries(feeds).find(([, each]) => each.includes(section)) ?? []
      const several = sections.length > 1 ? [section] : []
      const file = join(project.root, module, 'feeds', name, ...several, arch, 'APKINDEX')
      if (!existsSync(file)) return undefined
      return [...readFileSync(file, 'utf8').matchAll(/^P:(.*)$/gm)].map(([, name]) => name).join(' ')
    },
  }
}

const good = (ran: Ran): Ran => {
  assert.equal(ran.code, 0, ran.stdout + ran.stderr)
  return ran
}

test('fresh, unchanged, moved: each is said', async (t) => {
  const at = await scene(t)
  await at.publish(['one', 'two'])
  assert.match(
    good(await at.run(['--arch', 'x86_64'])).stdout,
    /^\S*main +feeds\/main\/x86_64\/APKINDEX +2 packages +2023-11-14 +written\n$/,
  )
  assert.equal(at.kept(), 'one two')
  assert.match(good(await at.run()).stdout, /2 packages .* as it was\n$/)
  await at.publish(['one', 'two', 'three'], { date: 1_700_086_400 })
  const { stdout } = good(await at.run(['--json']))
  const report: unknown = JSON.parse(stdout)
  assert.deepEqual(faultsOf('update-feeds', report), [])
  assert.deepEqual(report, {
    indexes: [
      {
        ...{ feed: 'mine.main', module: 'mine', file: 'feeds/main/x86_64/APKINDEX' },
        ...{ date: 1_700_086_400_000, packages: 3, moved: true },
      },
    ],
  })
  assert.equal(at.kept(), 'one two three')
  // Nothing is left in the module but the list itself.
  assert.deepEqual(readdirSync(join(at.root, module, 'feeds/main/x86_64')), ['APKINDEX'])
})

test('one module is renewed alone', async (t) => {
  const at = await scene(t)
  await at.publish(['one'])
  good(await at.run(['--arch', 'x86_64', '--module-dir', module]))
  assert.equal(at.kept(), 'one')
  const elsewhere = await at.run(['--arch', 'x86_64', '--module-dir', 'machines'])
  assert.equal(elsewhere.code, 2)
})

test('a mirror that can not be reached is told, and the next one is asked', async (t) => {
  const at = await scene(t)
  await at.publish(['one'])
  const two = `https://alpine.example=${down},https://alpine.example=file://${at.mirror},only`
  const ran = good(await at.run(['--arch', 'x86_64'], two))
  assert.match(ran.stderr, /127\.0\.0\.1:9.*\n?.*trying file:/)
  assert.equal(at.kept(), 'one')
})

/** What is refused, after `one` of the day before was accepted: nothing in the module moves. */
const refused: readonly {
  readonly what: string
  readonly sections?: readonly string[]
  readonly publish: (at: Scene) => Promise<void> | void
  readonly mirrors?: string
  readonly says: RegExp
}[] = [
  {
    what: 'an older index than the one before',
    publish: (at) => at.publish(['evil'], { date: 1_600_000_000 }),
    says: /error\[FEED_REPLAYED\].*\n?[\s\S]*rm \S*newest\.json/,
  },
  {
    what: 'an index by another key of the same name',
    publish: (at) => at.publish(['evil'], { date: 1_700_000_100, key: stranger }),
    says: /error\[FEED_UNTRUSTED\]/,
  },
  {
    what: 'an index that was cut off',
    publish(at) {
      const path = join(at.mirror, 'v3.19/main/x86_64/APKINDEX.tar.gz')
      const bytes = readFileSync(path)
      writeFileSync(path, bytes.subarray(0, bytes.length - 20))
    },
    says: /error\[FEED_UNTRUSTED\]/,
  },
  {
    what: 'an index from the future',
    publish: (at) => at.publish(['evil'], { date: 4_000_000_000 }),
    says: /error\[FEED_INVALID\][\s\S]*clock/,
  },
  {
    what: 'one of two sections that is gone',
    sections: ['main', 'community'],
    publish: async (at) => {
      await at.publish(['newer'], { date: 1_700_000_100 })
      rmSync(join(at.mirror, 'v3.19/community'), { recursive: true })
    },
    says: /error\[FETCH_FAILED\]: \S+MODULE\.star:2: feed mine\.main has no index for x86_64 in 1 of 2 sections, branch v3\.19\n.*community.*\n +hint: sections = /,
  },
  {
    what: 'one of two sections that somebody else signed',
    sections: ['main', 'community'],
    publish: async (at) => {
      await at.publish(['newer'], { date: 1_700_000_100 })
      await at.publish(['evil'], { date: 1_700_000_100, section: 'community', key: stranger })
    },
    says: /error\[FEED_UNTRUSTED\]/,
  },
  {
    what: 'no mirror that can be reached',
    publish: () => {},
    mirrors: `https://alpine.example=${down},only`,
    says: /error\[FETCH_FAILED\]: .*can't fetch the index for x86_64[\s\S]*127\.0\.0\.1:9/,
  },
]
for (const { what, sections = ['main'], publish, mirrors, says } of refused)
  test(`${what} is refused, and the module stays as it was`, async (t) => {
    const at = await scene(t, { main: sections })
    for (const section of sections) await at.publish(['one'], { section })
    good(await at.run(['--arch', 'x86_64']))
    await publish(at)
    const ran = await at.run([], mirrors)
    assert.notEqual(ran.code, 0)
    assert.match(ran.stderr, says)
    assert.equal(ran.stdout, '')
    assert.ok(!/^\s+at /m.test(ran.stderr), ran.stderr)
    for (const section of sections) assert.equal(at.kept(section), 'one')
    // What was refused is not remembered as the newest either.
    for (const section of sections) await at.publish(['two'], { section, date: 1_700_000_050 })
    good(await at.run())
    for (const section of sections) assert.equal(at.kept(section), 'two')
  })

/**
 * Serves a mirror, and answers for its sections only in this order, whoever asks first: who waits for one answer before
 * asking for the next never gets it.
 */
async function answering(t: TestContext, mirror: string, order: readonly string[]): Promise<string> {
  const answered = new Map(order.map((section) => [section, Promise.withResolvers<void>()]))
  const server = createServer(async ({ url = '' }, response) => {
    const path = join(mirror, url)
    const at = order.findIndex((section) => url.includes(`/${section}/`))
    await answered.get(order[at - 1] ?? '')?.promise
    response.once('close', () => answered.get(order[at] ?? '')?.resolve())
    response.writeHead(existsSync(path) ? 200 : 404).end(existsSync(path) ? readFileSync(path) : '')
  })
  return `https://alpine.example=${await served(t, server)},only`
}

const three = { site: ['site'], main: ['main'], community: ['community'] }

test('feeds are asked at once, and told in their order', async (t) => {
  const at = await scene(t, three)
  for (const section of Object.keys(three)) await at.publish([`of-${section}`], { section })
  const mirrors = await answering(t, at.mirror, ['community', 'main', 'site'])
  const { stdout } = good(await at.run(['--arch', 'x86_64'], mirrors))
  assert.deepEqual(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => /^mine\.(\S+) .* written$/.exec(line)?.[1]),
    ['site', 'main', 'community'],
  )
  for (const section of Object.keys(three)) assert.equal(at.kept(section), `of-${section}`)
})

test('what is wrong with several feeds is told in their order, and the others are renewed', async (t) => {
  const at = await scene(t, three)
  for (const section of Object.keys(three)) await at.publish(['one'], { section })
  good(await at.run(['--arch', 'x86_64']))
  await at.publish(['evil'], { section: 'site', date: 1_700_000_100, key: stranger })
  await at.publish(['newer'], { section: 'main', date: 1_700_000_100 })
  rmSync(join(at.mirror, 'v3.19/community'), { recursive: true })
  const ran = await at.run([], await answering(t, at.mirror, ['community', 'main', 'site']))
  assert.notEqual(ran.code, 0)
  assert.deepEqual(ran.stderr.match(/error\[\S+\]|feed mine\.\w+/g), [
    ...['error[FEED_UNTRUSTED]', 'feed mine.site'],
    ...['error[FETCH_FAILED]', 'feed mine.community'],
  ])
  assert.equal(ran.stdout, '')
  assert.deepEqual(
    Object.keys(three).map((section) => at.kept(section)),
    ['one', 'newer', 'one'],
  )
})

test('a key that is missing is told once for all architectures', async (t) => {
  const at = await scene(t)
  await at.publish(['one'])
  good(await at.run(['--arch', 'x86_64']))
  const lists = join(at.root, module, 'feeds/main')
  cpSync(join(lists, 'x86_64'), join(lists, 'aarch64'), { recursive: true })
  rmSync(join(at.root, module, 'keys'), { recursive: true })
  const { stderr } = await at.run()
  assert.equal(stderr.match(/error\[KEY_INVALID\]/g)?.length, 1, stderr)
})

const usage: readonly (readonly [args: readonly string[], says: RegExp])[] = [
  [['--arch', 'sparc'], /there is no architecture "sparc"\n +hint: there are: x86_64, arm64, riscv64/],
  [['main'], /error\[USAGE\]/],
  // It is for asking.
  [['--offline'], /no option --offline/],
  [['--mod-dir', 'x'], /--module-dir/],
  [[], /no module of this project keeps an index of a feed[\s\S]*index = "feeds\/main"/],
]
for (const [args, says] of usage)
  test(`yoe update-feeds ${args.join(' ')} is answered with what to type`, async (t) => {
    const at = await scene(t, undefined, false)
    const ran = await at.run(args)
    assert.equal(ran.code, 2, ran.stderr)
    assert.match(ran.stderr, says)
  })

test('--help says it all', async (t) => {
  const at = await scene(t)
  const { stdout } = good(await at.run(['--help']))
  for (const word of ['--arch ARCH', '--module-dir DIR', '--json', 'alpine_feed'])
    assert.ok(stdout.includes(word), word)
})

test('yoe.lock names the list that a module keeps, until the lock is moved', async (t) => {
  const at = await scene(t)
  const env = { YOE_MIRRORS: `https://alpine.example=file://${at.mirror},only` }
  const locked = (): string => /APKINDEX.*/.exec(readFileSync(join(at.root, 'yoe.lock'), 'utf8'))?.[0] ?? ''
  const digest = (): string =>
    createHash('sha256')
      .update(readFileSync(join(at.root, module, 'feeds/main/x86_64/APKINDEX')))
      .digest('hex')
  await at.publish(['one'])
  good(await at.run(['--arch', 'x86_64']))
  good(await at.yoe(['update', 'feeds'], { env }))
  assert.ok(locked().includes(digest()), readFileSync(join(at.root, 'yoe.lock'), 'utf8'))
  const before = locked()
  await at.publish(['one', 'two'], { date: 1_700_086_400 })
  good(await at.run())
  assert.equal(locked(), before)
  good(await at.yoe(['update', 'feeds'], { env }))
  assert.ok(locked() !== before && locked().includes(digest()))
})
