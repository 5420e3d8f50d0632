/** Images of Alpine that can't be: each is refused by its name, with what to change, and nothing of it is left behind. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { alpineProject } from '../support/alpine/project.ts'
import { toolsUnit as unit } from '../support/unit-texts.ts'

const own = (name: string): string => `mkdir -p $DESTDIR/usr/share && touch $DESTDIR/usr/share/${name}`
const withUser = (name: string, user: string, uid: number): string =>
  `load("@module-core//classes/users.star", "system_user")\n${unit(name, own(name))}system_user("${name}", "${user}", uid = ${uid})\n`

/** A boot header of x86 that names a release, as a shell writes it. */
const kernel = (release: string): string =>
  [
    'mkdir -p $DESTDIR/boot $DESTDIR/lib/modules/6.12.1/kernel && cd $DESTDIR',
    'touch lib/modules/6.12.1/kernel/a.ko',
    `head -c 514 /dev/zero >boot/vmlinuz-test && printf HdrS >>boot/vmlinuz-test`,
    `head -c 8 /dev/zero >>boot/vmlinuz-test && printf '\\\\000\\\\004' >>boot/vmlinuz-test`,
    `head -c 1008 /dev/zero >>boot/vmlinuz-test && printf '${release} (test) #1' >>boot/vmlinuz-test`,
    'head -c 600 /dev/zero >>boot/vmlinuz-test',
  ].join(' && ')

const cases: Readonly<
  Record<string, { readonly units: Readonly<Record<string, string>>; readonly says: readonly RegExp[] }>
> = {
  script: {
    units: {
      moon: unit(
        'moon',
        own('moon'),
        'apk_scripts = {"post-install": "#!/bin/sh\\necho cannot reach the moon >&2\\nexit 7\\n"},',
      ),
    },
    says: [/moon's post-install script failed/, /cannot reach the moon/],
  },
  files: {
    units: { one: unit('one', own('same')), two: unit('two', own('same')) },
    says: [/one and two both install \/usr\/share\/same/, /add replaces = \["two"\] to unit one/, /units\/one\.star:1/],
  },
  ids: {
    units: { 'id-one': withUser('id-one', 'first', 450), 'id-two': withUser('id-two', 'second', 450) },
    says: [/users first \(of id-one\) and second \(of id-two\) both have id 450/, /uid = …/],
  },
  taken: {
    units: { late: withUser('late', 'late', 22) },
    says: [/late can't have its accounts: [ug]id 22 of late belongs to sshd/, /uid = …/],
  },
  known: {
    units: { clock: withUser('clock', 'ntp', 451) },
    says: [/user ntp shall have id 451, and has 123 in the image/, /units\/clock\.star:2/],
  },
  kernel: {
    units: { kern: unit('kern', kernel('6.18.2-test')) },
    says: [/kernel \/boot\/vmlinuz-test is 6\.18\.2-test, and the modules are for 6\.12\.1/, /images\/kernel\.star:1/],
  },
}

test('an image that can’t be is refused with the line that says so, and nothing of it is left', {
  timeout: 600_000,
}, async (t) => {
  const names = Object.keys(cases)
  const image = (name: string, artifacts: readonly string[]): string =>
    `image(name = "${name}-image", version = "1.0", artifacts = ${JSON.stringify(['alpine-baselayout', 'apk-tools', 'busybox', 'busybox-binsh', ...artifacts])})\n`
  const project = await alpineProject(t, {
    'machines/plain.star': 'machine(name = "plain", arch = "x86_64")\n',
    'images/good.star': image('good', []),
    ...Object.fromEntries(
      names.map((name) => [`images/${name}.star`, image(name, Object.keys(cases[name]?.units ?? {}))]),
    ),
    ...Object.fromEntries(
      Object.values(cases).flatMap(({ units }) =>
        Object.entries(units).map(([name, text]) => [`units/${name}.star`, text]),
      ),
    ),
  })
  const build = (name: string) => project.yoe(['build', `${name}-image`, '--machine', 'plain'], { env: project.env })
  // The control: the same image without what is wrong.
  const good = await build('good')
  assert.equal(good.code, 0, good.stdout + good.stderr)
  assert.ok(
    existsSync(join(project.root, 'build/alpine/good-image.plain/good-image.img')),
    globSync('build/alpine/*/*', { cwd: project.root }).join(),
  )
  for (const [name, { says }] of Object.entries(cases)) {
    const ran = await build(name)
    const said = ran.stdout + ran.stderr
    assert.equal(ran.code, 1, `${name}: ${said}`)
    for (const each of says) assert.match(said, each, name)
    assert.doesNotMatch(said, /\n {4}at |node:internal/, name)
    const left = globSync(`build/alpine/${name}-image.plain/**/{*.img,*.zst,packages.json}`, { cwd: project.root })
    assert.deepEqual(left, [], name)
    const index = join(project.root, 'repo/demo/alpine/x86_64/APKINDEX.tar.gz')
    if (existsSync(index)) assert.ok(readFileSync(index).length > 0)
  }
})
