import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import { prepareRunner, setupAction } from '#github/prepare.ts'
import { fakeHost } from '../support/action-host.ts'

const root = resolve(import.meta.dirname, '..', '..')
const dir = mkdtempSync(join(tmpdir(), 'yoe-setup-'))
after(() => rmSync(dir, { recursive: true, force: true }))

/** Runs the setup script with a PATH of stand-ins, and a system folder of its own. */
function setup(
  stubs: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
  env: Readonly<Record<string, string>> = {},
) {
  const home = mkdtempSync(join(dir, 'run-'))
  const bin = join(home, 'bin')
  const system = join(home, 'system')
  mkdirSync(bin)
  for (const folder of [
    'etc/apparmor.d',
    'etc/udev/rules.d',
    'dev',
    'usr/share/seabios',
    'proc/sys/kernel',
    'proc/sys/user',
  ])
    mkdirSync(join(system, folder), { recursive: true })
  writeFileSync(join(system, 'usr/share/seabios/bios-256k.bin'), '')
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(system, name, '..'), { recursive: true })
    writeFileSync(join(system, name), text)
  }
  for (const tool of ['sh', 'id', 'uname', 'cat', 'grep', 'tee', 'tail', 'tr', 'head', 'env', 'rm', 'printf'])
    symlinkSync(
      execFileSync('sh', ['-c', `command -v ${tool} | grep / || echo /usr/bin/${tool}`], { encoding: 'utf8' }).trim(),
      join(bin, tool),
    )
  const calls = join(home, 'calls')
  const all = {
    sudo: 'shift; exec "$@"',
    df: 'echo Avail; echo "  $FREE"',
    ...Object.fromEntries(
      [
        'bwrap',
        'newuidmap',
        'mmdebstrap',
        'unshare',
        'mount',
        'git',
        'xz',
        'ssh',
        'qemu-system-x86_64',
        'qemu-system-aarch64',
      ].map((name) => [name, 'true']),
    ),
    ...stubs,
  }
  for (const [name, body] of Object.entries(all)) {
    if (body === '') continue
    writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >>"${calls}"\n${body}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  const world = { PATH: bin, YOE_SETUP_ROOT: system, STATE: home, FREE: '50', ...env }
  const { status, stdout, stderr } = spawnSync('/bin/sh', [join(root, 'actions/setup/setup.sh')], {
    encoding: 'utf8',
    env: world,
  })
  return {
    status,
    stdout,
    stderr,
    world,
    system,
    calls: existsSync(calls) ? readFileSync(calls, 'utf8') : '',
  }
}

test('setup: nothing to do, nothing done', () => {
  const { status, stdout, calls } = setup({})
  assert.equal(status, 0, stdout)
  assert.match(stdout, /packages: all there\n[\s\S]*sandbox: works\nkvm: this runner has no \/dev\/kvm/)
  assert.doesNotMatch(calls, /apt-get|apparmor/)
})

test('setup: installs exactly what is missing', () => {
  const { status, calls } = setup({
    bwrap: '',
    'qemu-system-x86_64': '',
    'qemu-system-aarch64': '',
    'apt-get':
      '[ "$1" = update ] || printf "#!/bin/sh\\ntrue\\n" >"$STATE/bin/bwrap"; chmod 755 "$STATE/bin/bwrap" 2>/dev/null || /bin/chmod 755 "$STATE/bin/bwrap" 2>/dev/null || true',
  })
  assert.equal(status, 0)
  assert.match(
    calls,
    /apt-get update -qq\n[\s\S]*apt-get install -y -qq --no-install-recommends bubblewrap qemu-system-(x86|arm)\n/,
  )
})

test('setup: a runner that can not install says what it lacks', () => {
  assert.deepEqual(setup({ bwrap: '' }).status, 3)
  assert.match(setup({ bwrap: '' }).stderr, /^this runner lacks bubblewrap and has no apt-get/m)
  assert.match(setup({ bwrap: '', 'apt-get': 'exit 100' }).stderr, /^apt-get could not install bubblewrap/)
})

const denied = '[ -e "$STATE/allowed" ]'

test('setup: loads the narrow profile where AppArmor forbids user namespaces, and verifies', () => {
  const { status, stdout, system, calls } = setup(
    { bwrap: denied, unshare: denied, apparmor_parser: ': >"$STATE/allowed"' },
    { 'proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n' },
  )
  assert.equal(status, 0, stdout)
  const profile = readFileSync(join(system, 'etc/apparmor.d/yoe-sandbox'), 'utf8')
  assert.deepEqual(
    [...profile.matchAll(/^profile \S+ (\S+)/gm)].map(([, path]) => path),
    ['/usr/bin/bwrap', '/usr/bin/unshare'],
  )
  assert.match(calls, /apparmor_parser -r /)
})

for (const [name, files, want] of [
  ['namespaces off', { 'proc/sys/user/max_user_namespaces': '0\n' }, /user\.max_user_namespaces=28633/],
  ['root only', { 'proc/sys/kernel/unprivileged_userns_clone': '0\n' }, /unprivileged_userns_clone=1/],
  [
    'AppArmor stays',
    { 'proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n' },
    /apparmor_restrict_unprivileged_userns=0/,
  ],
  ['a container', {}, /seccomp=unconfined[^\n]*no permission here/],
] as const)
  test(`setup: a diagnosis when it can't: ${name}`, () => {
    const { status, stderr } = setup({ bwrap: 'echo no permission here >&2; exit 1', unshare: 'false' }, files)
    assert.equal(status, 3)
    assert.match(stderr, want)
  })

test('setup: a /dev/kvm that can be opened needs no rule', () => {
  const { stdout, system } = setup({ udevadm: 'false' }, { 'dev/kvm': '' })
  assert.match(stdout, /kvm: \/dev\/kvm can be opened/)
  assert.ok(!existsSync(join(system, 'etc/udev/rules.d/99-yoe-kvm.rules')))
})

for (const [name, env, want, removed] of [
  ['enough', { FREE: '84' }, /disk: 84 GB free/, false],
  [
    'too little on a GitHub runner',
    { FREE: '14', RUNNER_ENVIRONMENT: 'github-hosted' },
    /removing \/usr\/local\/lib\/android\n[\s\S]*disk: only 14 GB/,
    true,
  ],
  [
    'too little on a machine of yours',
    { FREE: '14', RUNNER_ENVIRONMENT: 'self-hosted' },
    /disk: only 14 GB free/,
    false,
  ],
  ['asked for', { FREE: '84', YOE_SETUP_FREE_DISK: 'true' }, /removing \/usr\/local\/lib\/android/, true],
  [
    'forbidden',
    { FREE: '1', RUNNER_ENVIRONMENT: 'github-hosted', YOE_SETUP_FREE_DISK: 'false' },
    /disk: only 1 GB/,
    false,
  ],
] as const)
  test(`setup: disk, ${name}`, () => {
    const { status, stdout, system } = setup({}, { 'usr/local/lib/android/sdk': 'x' }, env)
    assert.equal(status, 0)
    assert.match(stdout, want)
    assert.equal(!existsSync(join(system, 'usr/local/lib/android')), removed)
  })

test('setup: what is built for another architecture needs its emulators', () => {
  const other = process.arch === 'arm64' ? 'x86_64' : 'arm64'
  const lacking = setup({}, {}, { YOE_SETUP_ARCHES: `riscv64 ${other}` })
  assert.equal(lacking.status, 3)
  assert.match(lacking.stderr, /lacks qemu-system-misc qemu-user-static binfmt-support/)
  const name = other === 'arm64' ? 'aarch64' : 'x86_64'
  const there = setup({}, { [`proc/sys/fs/binfmt_misc/qemu-${name}`]: '' }, { YOE_SETUP_ARCHES: other })
  assert.equal(there.status, 0, there.stderr)
})

const arches = [] as const

test('the script runs as the action does: a closed group, or the diagnosis and no group', async () => {
  const { world } = setup({}, { 'dev/kvm': '' })
  const good = fakeHost({ dir, workspace: dir, env: world })
  assert.equal(await prepareRunner(good, { qemu: true, freeDisk: 'auto', arches }), true)
  assert.match(good.log(), /^::group::Runner\ndisk: 50 GB free\n[\s\S]*kvm: \/dev\/kvm can be opened\n::endgroup::\n$/)
  const bad = fakeHost({ dir, workspace: dir, env: setup({ bwrap: '' }).world })
  await assert.rejects(
    prepareRunner(bad, { qemu: true, freeDisk: 'auto', arches }),
    (failure) =>
      failure instanceof YoeError &&
      failure.code === 'SANDBOX_UNAVAILABLE' &&
      /^this runner lacks bubblewrap/.test(failure.message) &&
      /YOE_SETUP=false/.test(failure.hint ?? ''),
  )
  assert.doesNotMatch(bad.log(), /::group/)
})

test('the setup action: its inputs are parsed before anything is done, its output says whether there is KVM', async () => {
  const { world } = setup({})
  const inputs = { qemu: 'true', 'free-disk': 'auto' }
  const run = fakeHost({ dir, workspace: dir, env: world, inputs })
  await setupAction(run)
  assert.deepEqual(run.outputs, { kvm: 'false' })
  for (const wrong of ['$(id)', 'yes', ''])
    await assert.rejects(setupAction(fakeHost({ dir, workspace: dir, env: world, inputs: { ...inputs, qemu: wrong } })))
})
