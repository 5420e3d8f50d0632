import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diagnose, dockerObstacle, hostTools, namespaceObstacle, type ReadSetting } from '#engine/build/hosttools.ts'
import { mapText, subordinateRange } from '#engine/build/identity.ts'

const machine =
  (settings: Readonly<Record<string, string>>): ReadSetting =>
  (path) =>
    settings[path]

test('a reason is what failed, not what follows every failure of mount(8)', () => {
  const said = `mount: /proc: mount(2) system call failed: Cannot allocate memory.
       dmesg(1) may have more information after failed mount system call.
`
  assert.equal(diagnose(said, machine({})).reason, 'mount: /proc: mount(2) system call failed: Cannot allocate memory.')
})

test('each tool has its package, and where it is', async () => {
  const found = await hostTools()
  for (const name of ['bwrap', 'newuidmap', 'mmdebstrap', 'git', 'ssh']) {
    const tool = found.find((each) => each.name === name)
    assert.ok(tool?.package && tool.purpose, name)
  }
  assert.match(found.find(({ name }) => name === 'bash')?.path ?? '', /\/bash$/)
  assert.ok((await hostTools('/nowhere')).every(({ path }) => path === undefined))
})

const diagnoses: { name: string; said: string; settings?: Record<string, string>; hint: RegExp }[] = [
  { name: 'no bubblewrap', said: 'yoe: line 18: exec: bwrap: not found', hint: /^sudo apt-get install bubblewrap$/ },
  { name: 'no bubblewrap, said by bash', said: 'bash: line 1: bwrap: command not found', hint: /install bubblewrap$/ },
  { name: 'no util-linux', said: 'Error: spawn setpriv ENOENT', hint: /install util-linux$/ },
  {
    name: 'no unshare',
    said: 'setpriv: failed to execute unshare: No such file or directory',
    hint: /install util-linux$/,
  },
  {
    name: 'AppArmor of Ubuntu',
    said: 'unshare: write failed /proc/self/uid_map: Operation not permitted',
    settings: { '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1' },
    hint: /^sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0$/,
  },
  {
    name: 'namespaces for root alone',
    said: 'unshare: unshare failed: Operation not permitted',
    settings: { '/proc/sys/kernel/unprivileged_userns_clone': '0' },
    hint: /^sudo sysctl -w kernel.unprivileged_userns_clone=1$/,
  },
  {
    name: 'no namespaces at all',
    said: 'unshare: unshare failed: No space left on device',
    settings: { '/proc/sys/user/max_user_namespaces': '0' },
    hint: /^sudo sysctl -w user.max_user_namespaces=/,
  },
  { name: 'a container', said: 'unshare: unshare failed: Operation not permitted', hint: /^start the container with / },
  {
    name: 'a hidden /proc',
    said: "bwrap: Can't mount proc on /newroot/proc: Operation not permitted",
    hint: /systempaths=unconfined/,
  },
  { name: 'anything else', said: 'what\nnobody foresaw', hint: /^yoe doctor$/ },
]
for (const { name, said, settings, hint } of diagnoses)
  test(`what stands in a sandbox's way: ${name}`, () => {
    const obstacle = diagnose(said, machine(settings ?? {}))
    assert.match(obstacle.hint, hint)
    assert.ok(obstacle.reason.length > 0 && !obstacle.reason.includes('\n'))
  })

test('a machine that forbids nothing has no obstacle', () => {
  const settings = { '/proc/sys/user/max_user_namespaces': '96365', '/proc/sys/kernel/unprivileged_userns_clone': '1' }
  assert.equal(namespaceObstacle(machine(settings)), undefined)
})

const ranges: { name: string; text: string; want: string }[] = [
  { name: 'by name', text: 'root:1:2\nann:100000:65536\n', want: '1 100000 65535\n' },
  { name: 'by number', text: '1000:200000:65536\n', want: '1 200000 65535\n' },
  { name: 'too few', text: 'ann:100000:1000\n', want: '' },
  { name: 'too few, then enough', text: 'ann:100000:1000\nann:300000:70000\n', want: '1 300000 65535\n' },
  { name: 'of another', text: 'anna:100000:65536\n', want: '' },
  { name: 'nonsense', text: 'ann\nann:x:65536\nann:5:-1\n', want: '' },
]
for (const { name, text, want } of ranges)
  test(`subordinate ids: ${name}`, () => {
    const range = subordinateRange(text, 'ann', 1000)
    assert.equal(range === undefined ? '' : mapText([range]), want)
  })

const failures: { name: string; failure: Error; hint: RegExp }[] = [
  {
    name: 'no daemon',
    failure: Object.assign(new Error('connect'), { code: 'ENOENT' }),
    hint: /^sudo systemctl start docker$/,
  },
  {
    name: 'a socket that nobody listens on',
    failure: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
    hint: /^sudo systemctl start docker$/,
  },
  {
    name: 'a daemon that is not for this user',
    failure: Object.assign(new Error('connect'), { code: 'EACCES' }),
    hint: /^sudo usermod -aG docker /,
  },
  {
    name: 'what the daemon says',
    failure: Object.assign(new Error('HTTP 500'), { json: { message: 'no space left on device' } }),
    hint: /^yoe doctor$/,
  },
]
for (const { name, failure, hint } of failures)
  test(`what stands in Docker's way: ${name}`, () => {
    const obstacle = dockerObstacle(failure)
    assert.match(obstacle.hint, hint)
    assert.match(obstacle.reason, /Docker/)
  })
