import assert from 'node:assert/strict'
import { test } from 'node:test'
import { YoeError } from '#engine/errors.ts'
import { type QemuOptions, qemuCommand } from '../../../src/bsp/qemu/command.ts'
import { machineOf, qemuOf } from '../support.ts'

const options = (some: Partial<QemuOptions> = {}): QemuOptions => ({
  machine: machineOf(),
  files: { disk: '/b/disk.img', kernel: '/b/vmlinuz', initrd: '/b/initrd.img' },
  disk: 'discard',
  acceleration: 'tcg',
  console: { kind: 'output' },
  ports: [{ host: 2222, guest: 22 }],
  cpus: 2,
  display: false,
  network: 'open',
  ...some,
})

const words = (some: Partial<QemuOptions> = {}): string => {
  const { binary, args } = qemuCommand(options(some))
  return [binary, ...args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg))].join(' ')
}

const arm = machineOf({
  name: 'arm',
  arch: 'arm64',
  kernel: { unit: 'linux', cmdline: 'console=ttyAMA0', deviceTrees: [] },
  qemu: qemuOf({ machine: 'virt', memory: 4 * 2 ** 30 }),
})

test('x86_64 under TCG boots the kernel of the image, and keeps nothing', () => {
  assert.equal(
    words(),
    [
      'qemu-system-x86_64 -nodefaults -name demo-machine -machine q35 -accel tcg -cpu max,la57=off,cx16=off -smp 2 -m 1024M',
      "-kernel /b/vmlinuz -initrd /b/initrd.img -append 'console=ttyS0 root=/dev/vda rw'",
      '-drive if=none,id=disk0,file=/b/disk.img,format=raw,snapshot=on,cache=unsafe -device virtio-blk-pci,drive=disk0',
      '-netdev user,id=net0,hostfwd=tcp:127.0.0.1:2222-:22 -device virtio-net-pci,netdev=net0,romfile=',
      '-device virtio-rng-pci -chardev stdio,id=serial0,signal=off -serial chardev:serial0 -display none',
    ].join(' '),
  )
})

test('arm64 under KVM in the background, restricted, with credentials and a control socket', () => {
  assert.equal(
    words({
      machine: arm,
      files: { disk: '/b/a,b.img', kernel: '/b/Image' },
      disk: 'keep',
      acceleration: 'kvm',
      console: { kind: 'daemon', log: '/r/serial.log', pidFile: '/r/pid' },
      ports: [],
      network: 'restricted',
      control: '/r/qmp',
      credentials: { 'tmpfiles.extra': 'f /a,b' },
      once: true,
    }),
    [
      'qemu-system-aarch64 -nodefaults -name arm -machine virt -accel kvm -cpu host -smp 2 -m 4096M -no-reboot',
      '-kernel /b/Image -append console=ttyAMA0',
      '-drive if=none,id=disk0,file=/b/a,,b.img,format=raw,discard=unmap -device virtio-blk-pci,drive=disk0',
      '-netdev user,id=net0,restrict=on -device virtio-net-pci,netdev=net0,romfile= -device virtio-rng-pci',
      "-fw_cfg 'name=opt/io.systemd.credentials/tmpfiles.extra,string=f /a,,b'",
      '-serial file:/r/serial.log -daemonize -pidfile /r/pid -display none -qmp unix:/r/qmp,server=on,wait=off',
    ].join(' '),
  )
})

const rows: readonly (readonly [
  name: string,
  some: Partial<QemuOptions>,
  has: readonly string[],
  lacks: readonly string[],
])[] = [
  [
    'firmware boots the disk, never a kernel beside it',
    { machine: machineOf({ qemu: qemuOf({ firmware: 'seabios' }) }) },
    ['-drive'],
    ['-kernel', '-append', '-bios'],
  ],
  [
    'UEFI firmware is a file',
    { machine: machineOf({ qemu: qemuOf({ firmware: 'ovmf' }) }), firmware: '/f/OVMF.fd' },
    ['-bios /f/OVMF.fd'],
    ['-kernel'],
  ],
  [
    'an EFI-only kernel is started by firmware, and then credentials go the way of SMBIOS',
    { machine: arm, firmware: '/f/QEMU_EFI.fd', credentials: { a: 'b' } },
    ['-bios /f/QEMU_EFI.fd -kernel /b/vmlinuz', '-smbios type=11,value=io.systemd.credential.binary:a=Yg=='],
    ['-fw_cfg'],
  ],
  ['host becomes max under TCG', { machine: arm }, ['-cpu max,pauth-impdef=on'], ['-cpu host']],
  ['one emulated processor goes by its instructions', { machine: arm, cpus: 1 }, ['-accel tcg -icount shift=auto'], []],
  ['several have a thread each', { machine: arm, cpus: 2 }, ['-accel tcg'], ['-icount']],
  ['what KVM runs has a clock of its own', { machine: arm, cpus: 1, acceleration: 'kvm' }, [], ['-icount']],
  [
    'a named processor stays, but for the instruction that TCG gets wrong',
    { machine: machineOf({ qemu: qemuOf({ cpu: 'Haswell' }) }) },
    ['-cpu Haswell,cx16=off'],
    [],
  ],
  ['unless it is asked for', { machine: machineOf({ qemu: qemuOf({ cpu: 'max,+cx16' }) }) }, ['-cpu max,+cx16 '], []],
  [
    'riscv64 has no model of that name',
    { machine: machineOf({ arch: 'riscv64', qemu: qemuOf({ machine: 'virt' }) }) },
    ['qemu-system-riscv64', '-cpu rv64 '],
    ['cx16'],
  ],
  ['memory over the machine', { memory: 512 * 2 ** 20 }, ['-m 512M'], ['1024M']],
  [
    'a window keeps the console on the terminal',
    { display: true, console: { kind: 'terminal' } },
    ['-serial mon:stdio', '-device virtio-vga'],
    ['-display none'],
  ],
]

const { qemu: _, ...bare } = machineOf({ arch: 'arm64' })

for (const [name, some, has, lacks] of [
  ...rows,
  [
    'a machine without qemu_config gets its architecture’s',
    { machine: bare },
    ['-machine virt', '-m 1024M'],
    [],
  ] as const,
])
  test(`qemuCommand: ${name}`, () => {
    const said = words(some)
    for (const part of has) assert.ok(said.includes(part), `${part} is not in ${said}`)
    for (const part of lacks) assert.ok(!said.includes(part), `${part} is in ${said}`)
  })

test('no forward listens beyond this machine', () => {
  const said = words({ ports: [80, 443, 22].map((guest) => ({ host: guest + 8000, guest })) })
  assert.deepEqual(
    [...said.matchAll(/hostfwd=tcp:([^:]*):/g)].map(([, host]) => host),
    Array(3).fill('127.0.0.1'),
  )
})

test('a machine that boots a kernel directly needs one in the image', () => {
  assert.throws(
    () => qemuCommand(options({ files: { disk: '/b/disk.img' } })),
    (error) => error instanceof YoeError && error.code === 'PROJECT_INVALID' && error.at?.file === 'machines/demo.star',
  )
})
