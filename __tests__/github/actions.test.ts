import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  globSync,
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
import { workflowFile } from '#toolkit/workflow.ts'
import { actions, parseAction, readAction, refresh } from '../../scripts/action-docs.ts'

const root = resolve(import.meta.dirname, '..', '..')
const dir = mkdtempSync(join(tmpdir(), 'yoe-setup-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

test('kebab-case, described, and optional but for the cell', () => {
  for (const action of actions) {
    const { inputs, outputs, description } = readAction(action)
    assert.notEqual(description, '')
    for (const { name, description: text, required } of [...inputs, ...outputs]) {
      assert.match(name, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
      assert.notEqual(text, '', name)
      assert.equal(required, name === 'cell', name)
    }
  }
})

test('no action uses another, and each main is made by the bundler', () => {
  const bundler = read('scripts/bundle.ts')
  for (const action of actions) {
    assert.doesNotMatch(read(join(action, 'action.yml')), /\buses:/)
    const { main } = readAction(action)
    const entry = /dist\/([\w-]+)\.js$/.exec(main)?.[1]
    if (action !== 'actions/setup') assert.ok(entry !== undefined && bundler.includes(`'${entry}'`), main)
  }
})

test('docs/actions.md has the tables of the action files', () => {
  assert.equal(refresh(read('docs/actions.md')), read('docs/actions.md'), 'run: node scripts/action-docs.ts')
})

test('the reader of action files agrees with what it is for', () => {
  const text =
    "name: x\ndescription: d\ninputs:\n  a:\n    description: >-\n      one\n      two\n    default: ''\n  b-c:\n    description: e\n    required: true\nruns:\n  using: node24\n  main: m.js\n"
  assert.deepEqual(parseAction(text).inputs, [
    { name: 'a', description: 'one two', required: false, default: '' },
    { name: 'b-c', description: 'e', required: true, default: '' },
  ])
})

test('the workflow of every example is the one that yoe writes, 40 lines at most', () => {
  const files = globSync('examples/*/.github/workflows/images.yml', { cwd: root, exclude: (name) => name === 'build' })
  assert.notEqual(files.length, 0)
  for (const file of files) assert.equal(read(file), workflowFile({ repository: 'OWNER/yoe', ref: 'v1' }))
  assert.ok(workflowFile({ repository: 'OWNER/yoe', ref: 'v1' }).trimEnd().split('\n').length <= 40)
})

test('a workflow for a project in a folder passes the folder on, whatever its name', () => {
  const text = workflowFile({ repository: 'o/r', ref: 'a'.repeat(40), project: 'firm ware"' })
  assert.equal(text.match(/project: "firm ware\\""/g)?.length, 3)
})

// actions/setup

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
  for (const folder of ['etc/apparmor.d', 'etc/udev/rules.d', 'dev', 'proc/sys/kernel', 'proc/sys/user'])
    mkdirSync(join(system, folder), { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(system, name), text)
  for (const tool of ['sh', 'id', 'uname', 'cat', 'grep', 'tee', 'df', 'tail', 'tr', 'head', 'env', 'rm', 'printf'])
    symlinkSync(
      execFileSync('sh', ['-c', `command -v ${tool} | grep / || echo /usr/bin/${tool}`], { encoding: 'utf8' }).trim(),
      join(bin, tool),
    )
  const calls = join(home, 'calls')
  const all = {
    sudo: 'shift; exec "$@"',
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
  const { status, stdout } = spawnSync('/bin/sh', [join(root, 'actions/setup/setup.sh')], {
    encoding: 'utf8',
    env: { PATH: bin, YOE_SETUP_ROOT: system, GITHUB_OUTPUT: join(home, 'output'), STATE: home, ...env },
  })
  return {
    status,
    stdout,
    system,
    calls: existsSync(calls) ? readFileSync(calls, 'utf8') : '',
    output: existsSync(join(home, 'output')) ? readFileSync(join(home, 'output'), 'utf8') : '',
  }
}

test('setup: nothing to do, nothing done', () => {
  const { status, stdout, calls, output } = setup({})
  assert.equal(status, 0, stdout)
  assert.match(stdout, /packages: all there\n[\s\S]*sandbox: works\nkvm: this runner has no \/dev\/kvm/)
  assert.equal(output, 'kvm=false\n')
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
  assert.match(
    setup({ bwrap: '' }).stdout,
    /^::error title=yoe setup::this runner lacks bubblewrap and has no apt-get/m,
  )
  assert.match(setup({ bwrap: '', 'apt-get': 'exit 100' }).stdout, /::apt-get could not install bubblewrap/)
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
    const { status, stdout } = setup({ bwrap: 'echo no permission here >&2; exit 1', unshare: 'false' }, files)
    assert.equal(status, 3)
    assert.match(stdout, want)
  })

test('setup: a /dev/kvm that can be opened needs no rule', () => {
  const { stdout, system, output } = setup({ udevadm: 'false' }, { 'dev/kvm': '' })
  assert.match(stdout, /kvm: \/dev\/kvm can be opened/)
  assert.equal(output, 'kvm=true\n')
  assert.ok(!existsSync(join(system, 'etc/udev/rules.d/99-yoe-kvm.rules')))
})

test('setup: an input that is no flag is refused', () => {
  const { status, stdout } = setup({}, {}, { YOE_SETUP_QEMU: '$(id)' })
  assert.equal(status, 3)
  assert.match(stdout, /the input qemu is "\$\(id\)"/)
})
