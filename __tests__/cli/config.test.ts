/** Who decides what a command uses: flags, the environment, local.star, PROJECT.star, what is built in. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'
import { type TestProject, testProject } from '../support/project.ts'
import { vendorProject } from '../support/vendor-project.ts'

interface Setting {
  readonly value: unknown
  readonly from: string
}

async function show(project: TestProject, args: readonly string[] = [], env = {}): Promise<Record<string, Setting>> {
  const ran = await project.yoe(['config', 'show', '--json', ...args], { env })
  assert.equal(ran.code, 0, ran.stderr)
  return JSON.parse(ran.stdout)
}

const texts = {
  'PROJECT.star': `project(
    name = "demo",
    version = "1.0",
    defaults = defaults(
        machine = "box",
        image = "first-image",
    ),
)
`,
  'machines/m.star': `machine(name = "box", arch = "x86_64", qemu = qemu_config(machine = "q35", memory = "2G", display = "gtk", ports = ["2222:22", "8080:80"]))
machine(name = "board", arch = "arm64")
`,
  'images/i.star': 'image(name = "first-image", artifacts = [])\nimage(name = "second-image", artifacts = [])\n',
}

test('every setting has a value and a source, and each layer gives way to the one above', async (t) => {
  const project = testProject(t, texts)
  const plain = await show(project)
  assert.deepEqual(plain['machine'], { value: 'box', from: 'PROJECT.star' })
  assert.deepEqual(plain['image'], { value: 'first-image', from: 'PROJECT.star' })
  assert.deepEqual(plain['cache'], { value: join(project.root, 'cache'), from: 'default' })
  assert.deepEqual(plain['parallel-builds'], { value: 5, from: 'default' })
  assert.deepEqual(plain['qemu-memory'], { value: '2G', from: 'machine box' })
  assert.deepEqual(plain['qemu-display'], { value: 'on', from: 'machine box' })
  assert.deepEqual(plain['qemu-ports'], { value: ['2222:22', '8080:80'], from: 'machine box' })
  assert.deepEqual(plain['mirrors'], { value: null, from: 'not set' })
  assert.deepEqual(plain['distro'], { value: null, from: 'not set' })

  project.write({
    'local.star': `machine = "board"
image = "second-image"
parallel_builds = 3
qemu_memory = "512M"
qemu_display = "off"
qemu_ports = ["9000:9000"]
mirrors = {"https://a.example/": "http://b.example/"}
cache = "../elsewhere"
query = "type:image"
flash_device = "/dev/sdb"
deploy_host = "pi@dev-pi.local"
`,
  })
  const local = await show(project)
  assert.deepEqual(local['machine'], { value: 'board', from: 'local.star:1' })
  assert.deepEqual(local['arch'], { value: 'arm64', from: 'machine board' })
  assert.deepEqual(local['image'], { value: 'second-image', from: 'local.star:2' })
  assert.deepEqual(local['parallel-builds'], { value: 3, from: 'local.star:3' })
  assert.deepEqual(local['qemu-memory'], { value: '512M', from: 'local.star:4' })
  assert.deepEqual(local['qemu-display'], { value: 'off', from: 'local.star:5' })
  assert.deepEqual(local['qemu-ports'], { value: ['9000:9000'], from: 'local.star:6' })
  assert.deepEqual(local['mirrors'], { value: { 'https://a.example/': 'http://b.example/' }, from: 'local.star:7' })
  assert.deepEqual(local['cache'], { value: join(project.root, '../elsewhere'), from: 'local.star:8' })
  for (const key of ['query', 'flash-device', 'deploy-host']) assert.match(local[key]?.from ?? '', /^local\.star:\d+$/)

  const above = await show(project, ['--machine', 'box'], {
    YOE_JOBS: '9',
    YOE_CACHE: '/tmp/yoe-nowhere',
    YOE_MIRRORS: 'https://c.example/=http://d.example/',
  })
  assert.deepEqual(above['machine'], { value: 'box', from: '--machine' })
  assert.deepEqual(above['parallel-builds'], { value: 9, from: 'YOE_JOBS' })
  assert.deepEqual(above['cache'], { value: '/tmp/yoe-nowhere', from: 'YOE_CACHE' })
  assert.deepEqual(above['mirrors'], {
    value: 'https://c.example/=http://d.example/,https://a.example/=http://b.example/',
    from: 'YOE_MIRRORS, local.star:7',
  })
  assert.deepEqual(above['qemu-ports'], {
    value: ['2222:22', '8080:80', '9000:9000'],
    from: 'machine box, local.star:6',
  })
  assert.deepEqual(Object.keys(above), Object.keys(plain))
})

test('what a project says in another file than PROJECT.star comes from there', async (t) => {
  const project = testProject(t, {
    ...texts,
    'PROJECT.star': 'load("products/a.star")\n',
    'products/a.star':
      'project(name = "aa", defaults = defaults(machine = "box"), sources = sources(mirrors = {"https://a.example/": "http://p.example/", "git@b.example:x": "file:///b"}))\n',
    'local.star': 'mirrors = {"https://a.example/": "http://mine.example/"}\n',
  })
  const said = await show(project)
  assert.deepEqual(said['version'], { value: '0.0.0', from: 'products/a.star' })
  assert.deepEqual(said['machine'], { value: 'box', from: 'products/a.star' })
  assert.deepEqual(said['mirrors'], {
    value: { 'git@b.example:x': 'file:///b', 'https://a.example/': 'http://mine.example/' },
    from: 'local.star:1, products/a.star',
  })
})

test('what local.star names and the project has not is an error at its line', async (t) => {
  const project = testProject(t, { ...texts, 'local.star': '\nmachine = "bord"\n' })
  const machine = await project.yoe(['list'])
  assert.equal(machine.code, 2)
  assert.match(
    machine.stderr,
    /^error\[MACHINE_NOT_FOUND\]: local\.star:2: there is no machine "bord"\n {2}hint: did you/,
  )
  project.write({ 'local.star': 'image = "third-image"\n' })
  const image = await project.yoe(['plan'])
  assert.match(image.stderr, /^error\[UNIT_NOT_FOUND\]: local\.star:1: there is no image "third-image"/)
  project.write({ 'local.star': 'imag = "x"\nmachine = 3\n' })
  const both = await project.yoe(['list'])
  assert.match(both.stderr, /local\.star:1: local\.star has no setting "imag"\n {2}hint: did you mean "image"/)
  assert.match(both.stderr, /local\.star:2: machine must be text/)
})

describe('config set', () => {
  it('writes what show then says, with dashes or underscores, and "" takes it out', async (t) => {
    const project = testProject(t, texts)
    const set = (...args: string[]) => project.yoe(['config', 'set', ...args])
    assert.equal((await set('parallel-builds', '12')).stdout, 'parallel_builds = 12 in local.star\n')
    assert.equal((await set('parallel_builds', '12')).stdout, 'parallel_builds = 12 in local.star, as before\n')
    assert.deepEqual(JSON.parse((await set('machine', 'board', '--json')).stdout), {
      key: 'machine',
      value: 'board',
      file: 'local.star',
      changed: true,
    })
    assert.equal((await show(project))['machine']?.value, 'board')
    assert.equal((await set('machine', '')).stdout, 'machine is not set in local.star\n')
    assert.match(readFileSync(join(project.root, 'local.star'), 'utf8'), /^# .*\n# .*\n\nparallel_builds = 12\n$/)
  })

  const refusals: Readonly<Record<string, readonly [readonly string[], RegExp]>> = {
    'an unknown key': [['machin', 'x'], /there is no setting "machin"\n {2}hint: did you mean "machine"\?/],
    'a value of the wrong kind': [
      ['qemu-display', 'yes'],
      /"yes" is nothing for qemu-display.*\n {2}hint: such as: yoe/,
    ],
    'a machine that is none': [
      ['machine', 'bord'],
      /this project has no machine "bord"\n {2}hint: did you mean "board" or "box"\?/,
    ],
    'an image that is none': [['image', 'third-image'], /this project has no image "third-image"/],
    'a distro without feeds': [['default-distro-override', 'debian'], /this project has no feed for "debian"/],
    "PROJECT.star's": [
      ['defaults.machine', 'board'],
      /PROJECT\.star:5: defaults\.machine is in PROJECT\.star.*\n {2}hint: write machine = "board" in its defaults/,
    ],
    'no value': [['machine'], /takes a key and a value/],
    'too much': [['machine', 'x', 'y'], /takes 1 to 3 arguments/],
  }
  for (const [what, [args, said]] of Object.entries(refusals)) {
    it(`refuses ${what}`, async (t) => {
      const project = testProject(t, texts)
      const ran = await project.yoe(['config', 'set', ...args])
      assert.equal(ran.code, 2)
      assert.match(ran.stderr, said)
      assert.ok(!existsSync(join(project.root, 'local.star')))
    })
  }

  it('mends a file that keeps every other command from working', async (t) => {
    const project = testProject(t, { ...texts, 'local.star': 'machine = 3\n' })
    assert.equal((await project.yoe(['list'])).code, 2)
    assert.equal((await project.yoe(['config', 'set', 'machine', 'box'])).code, 0)
    assert.equal((await project.yoe(['list'])).code, 0)
  })
})

test('-j and --memory are kept, but for CI', async (t) => {
  const project = testProject(t, texts)
  const path = join(project.root, 'local.star')
  await project.yoe(['build', '-j', '3'], { env: { CI: 'true' } })
  assert.ok(!existsSync(path))
  const built = await project.yoe(['build', '-j', '3'])
  assert.match(built.stderr, /parallel_builds is kept in local\.star/)
  await project.yoe(['run', '--memory', '3G'])
  assert.match(readFileSync(path, 'utf8'), /\n\nparallel_builds = 3\nqemu_memory = "3G"\n$/)
  const again = await project.yoe(['build', '-j', '3'])
  assert.doesNotMatch(again.stderr, /is kept/)
})

/** local.star's override, `--distro`, the image; then the distro that is built for, and who says so. */
const cascade: readonly (readonly [string | null, string | null, string, string, string])[] = [
  [null, null, 'gateway-image', 'debian', 'PROJECT.star'],
  ['ubuntu', null, 'gateway-image', 'ubuntu', 'local.star:1'],
  ['ubuntu', 'debian', 'gateway-image', 'debian', '--distro'],
  [null, 'ubuntu', 'gateway-image', 'ubuntu', '--distro'],
  [null, null, 'panel-image', 'ubuntu', 'images/panel.star:1'],
  ['debian', 'debian', 'panel-image', 'ubuntu', 'images/panel.star:1'],
]

test('the distro: the image decides, then the flag, then local.star, then the project', async (t) => {
  const project = await vendorProject(t)
  for (const [override, flag, image, distro, from] of cascade) {
    project.write({ 'local.star': override === null ? '' : `default_distro_override = "${override}"\n` })
    const args = flag === null ? [] : ['--distro', flag]
    const ran = await project.yoe(['config', 'resolve', '--json', '--image', image, ...args])
    const row = `${override} ${flag} ${image}`
    assert.equal(ran.code, 0, `${row}: ${ran.stderr}`)
    assert.equal(JSON.parse(ran.stdout).distro, distro, row)
    if (image !== 'gateway-image') continue
    assert.equal((await show(project, args))['distro']?.from, from, row)
  }
  project.write({ 'local.star': 'default_distro_override = "debiann"\n' })
  const unknown = await project.yoe(['config', 'resolve'])
  assert.match(unknown.stderr, /local\.star:1: no module of this project has a feed for distro "debiann"\n.*"debian"/)
  const flag = await project.yoe(['config', 'resolve', '--distro', 'debiann'])
  assert.match(flag.stderr, /^error\[PROJECT_INVALID\]: no module of this project has a feed for distro "debiann"\n/)
  project.write({ 'local.star': '' })
  const text = readFileSync(join(project.root, 'PROJECT.star'), 'utf8')
  project.write({ 'PROJECT.star': text.replace(', distro = "debian"', '') })
  const none = await project.yoe(['config', 'resolve'])
  assert.equal(none.code, 2)
  assert.match(none.stderr, /this project names no distro\n.*there are feeds for: debian, ubuntu/)
})

test('config resolve tells what an image would be made of, without a feed', async (t) => {
  const project = await vendorProject(t)
  const env = { YOE_MIRRORS: 'http://deb.fleet.example=file:///nonexistent,only' }
  const ran = await project.yoe(['config', 'resolve', '--machine', 'a200', '--image', 'gateway-image', '--json'], {
    env,
  })
  assert.equal(ran.code, 0, ran.stderr)
  const { kernel, partitions, publicConfig, ...facts } = JSON.parse(ran.stdout)
  assert.equal(kernel.unit, 'linux-generic')
  assert.deepEqual(partitions, [{ label: 'rootfs', type: 'ext4', size: '1G', root: true }])
  assert.equal(publicConfig, null)
  assert.deepEqual(facts, {
    image: 'gateway-image',
    machine: 'a200',
    arch: 'x86_64',
    distro: 'debian',
    format: 'debian',
    bootloader: null,
    hostname: 'gateway',
    timezone: 'UTC',
    locale: 'C.UTF-8',
    services: [],
    toolchain: facts.toolchain,
    tools: facts.tools,
  })
  const text = await project.yoe(['config', 'resolve', '--machine', 'a200', '--image', 'gateway-image'], { env })
  assert.match(text.stdout, /^image +gateway-image\nmachine +a200\n[\s\S]*\npartition +rootfs, ext4, 1G, root\n/)
  const wrong = await project.yoe(['config', 'resolve', '--image', 'sensord'], { env })
  assert.match(wrong.stderr, /there is no image "sensord" for bench on debian/)
})

test('mirrors of local.star are where things are fetched from, after those of the environment', async (t) => {
  const project = await vendorProject(t)
  const archive = join(project.root, '../archive')
  const local = (to: string): void =>
    project.write({ 'local.star': `mirrors = {"http://deb.fleet.example": "file://${to}"}\n` })
  local(archive)
  const ran = await project.yoe(['plan', 'sensord'], { env: { YOE_MIRRORS: '' } })
  assert.equal(ran.code, 0, ran.stderr)
  local('/nonexistent')
  const above = await project.yoe(['plan', 'sensord', '--refresh'])
  assert.equal(above.code, 0, above.stderr)
})

test('the query of local.star is what yoe list is about when it is asked for nothing', async (t) => {
  const project = testProject(t, { ...texts, 'units/u.star': 'unit(name = "some", version = "1")\n' })
  const names = async (...args: string[]): Promise<readonly string[]> => {
    const ran = await project.yoe(['list', '--json', ...args])
    assert.equal(ran.code, 0, ran.stderr)
    return JSON.parse(ran.stdout).units.map(({ name }: { name: string }) => name)
  }
  const all = ['first-image', 'second-image', 'some']
  assert.deepEqual((await names()).toSorted(), all)
  await project.yoe(['config', 'set', 'query', 'type:image second'])
  assert.deepEqual(await names(), ['second-image'])
  assert.deepEqual((await names('')).toSorted(), all)
  assert.deepEqual(await names('some'), ['some'])
})
