import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placesOf } from '#engine/build/cgroup.ts'

const hybrid = `30 25 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro
31 30 0:27 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory
32 30 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`
const unified = '30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n'
const contained = '30 25 0:26 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n'

const places: { name: string; cgroup: string; mounts: string; want: Record<string, string> }[] = [
  {
    name: 'version 1, each controller in its own hierarchy',
    cgroup: '8:pids:/\n4:memory:/api/one\n0::/\n',
    mounts: hybrid,
    want: { memory: '1 /sys/fs/cgroup/memory/api/one', pids: '1 /sys/fs/cgroup/pids' },
  },
  {
    name: 'version 2, one for all',
    cgroup: '0::/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope\n',
    mounts: unified,
    want: Object.fromEntries(
      ['memory', 'pids'].map((name) => [
        name,
        '2 /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope',
      ]),
    ),
  },
  {
    name: 'one that is mounted from below',
    cgroup: '4:memory:/docker/abc/x\n',
    mounts: contained,
    want: { memory: '1 /sys/fs/cgroup/memory/x' },
  },
  { name: 'one that can not be seen from here', cgroup: '4:memory:/other\n', mounts: contained, want: {} },
  { name: 'none', cgroup: '', mounts: '', want: {} },
]
for (const { name, cgroup, mounts, want } of places)
  test(`where a process is held: ${name}`, () => {
    const found = [...placesOf(cgroup, mounts)].map(([controller, { version, folder }]) => [
      controller,
      `${version} ${folder}`,
    ])
    assert.deepEqual(Object.fromEntries(found), want)
  })
