import { YoeError } from '#engine/errors.ts'

/** In the kernel's order: each is a bit. @see linux/capability.h */
const names =
  `chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service
  net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot
  sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
  wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`
    .split(/\s+/)
    .map((name) => `cap_${name}`)

const revision2 = 0x0200_0000
const effectiveFlag = 1

/**
 * File capabilities as the kernel keeps them in `security.capability`: apk takes them from the package's tar.
 *
 * @param text as `permissions` has it: `cap_net_raw+ep`
 * @throws {YoeError} BAD_FIELD for what files can't have
 * @see capabilities(7)
 */
export function capabilityBytes(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined
  const [, list = '', flags = ''] = /^([a-z_,]+)[=+]([eip]+)$/.exec(text) ?? []
  const bits = list.split(',').map((name) => names.indexOf(name))
  const isEffective = flags.includes('e')
  // In a file, effective is one flag for all that is permitted or inheritable.
  if (bits.includes(-1) || flags === 'e') {
    throw new YoeError('BAD_FIELD', `"${text}" are no capabilities that a file can have`, {
      hint: 'as setcap takes them: cap_net_raw+ep, cap_net_admin,cap_net_raw+eip',
    })
  }
  const mask = bits.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n)
  const bytes = Buffer.alloc(20)
  bytes.writeUInt32LE(revision2 | (isEffective ? effectiveFlag : 0), 0)
  for (const [half, shift] of [0n, 32n].entries()) {
    const word = Number((mask >> shift) & 0xffff_ffffn)
    if (flags.includes('p')) bytes.writeUInt32LE(word, 4 + 8 * half)
    if (flags.includes('i')) bytes.writeUInt32LE(word, 8 + 8 * half)
  }
  return bytes
}
