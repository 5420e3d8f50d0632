import type { Arch } from '#engine/arch.ts'

/** A guest of a few instructions that ends QEMU by itself, to see whether an accelerator really runs guests. */
export interface ProbeGuest {
  /** What `-bios` or `-kernel` gets. */
  readonly image: Buffer
  /** All but `-accel` and `-cpu`. */
  readonly args: (imagePath: string) => readonly string[]
  /** QEMU's exit code when every instruction was run. */
  readonly exitCode: number
}

/**
 * From the reset vector through protected to long mode, one BMI2 instruction where the CPU claims it, twenty million
 * rounds of a loop, then 0x10 to the exit device. A kernel module that offers /dev/kvm without hardware behind it gets
 * through the first steps and fails at one of the later ones.
 *
 * ```
 * .code16  cli; lgdtl gdtr; cr0 |= 1; ljmpl $8, pm32
 * .code32  ds = es = ss = 16; clear 0x1000-0x4fff
 *          page tables: first 2 MiB and last 2 MiB of 4 GiB, as they are; cr3 = 0x1000; cr4 = PAE; EFER |= LME; cr0 |= PG
 *          ljmp $24, lm64
 * .code64  cpuid(7).ebx & BMI2 ? shlx %ecx, %eax, %edx; ecx = 20000000; 1: dec %ecx; jnz 1b; outb $0x10, $0xf4; hlt
 * gdt:     null, 32-bit code, data, 64-bit code
 * ```
 */
const x86Code = Buffer.from(
  'fa2e660f0116e0f00f20c00c010f22c066ea18f0ffff080066b810008ed88ec08ed0fc31c0bf00100000b900100000f3abc70500100000' +
    '03200000c7050020000003300000c7051820000003400000c7050030000083000000c705f84f00008300e0ffb8001000000f22d8b820' +
    '0000000f22e0b9800000c00f320d000100000f300f20c00d000000800f22c0ea93f0ffff1800b80700000031c90fa2f7c30001000074' +
    '0ab903000000c4e271f7d0b9002d3101ffc975fcb010e6f4f4ebfd66900000000000000000ffff0000009bcf00ffff00000093cf00ff' +
    'ff0000009baf001f00c0f0ffff',
  'hex',
)

function x86Rom(): Buffer {
  const rom = Buffer.alloc(64 * 1024, 0xf4) // hlt
  x86Code.copy(rom, 0xf000)
  rom.set([0xe9, 0x0d, 0xf0], 0xfff0) // jmp 0xf000
  return rom
}

const words = (...code: readonly number[]): Buffer => {
  const buffer = Buffer.alloc(4 * code.length)
  for (const [index, word] of code.entries()) buffer.writeUInt32LE(word, 4 * index)
  return buffer
}

export const probeGuests: Readonly<Record<Arch, ProbeGuest>> = {
  x86_64: {
    image: x86Rom(),
    args: (path) => ['-machine', 'pc', '-device', 'isa-debug-exit,iobase=0xf4,iosize=1', '-bios', path],
    exitCode: (0x10 << 1) | 1,
  },
  arm64: {
    // mov w1, #20000000; 1: subs w1, w1, #1; b.ne 1b; mov w0, #0x84000008 (PSCI SYSTEM_OFF); hvc #0; b .
    image: words(0x5285a001, 0x72a02621, 0x71000421, 0x54ffffe1, 0x52800100, 0x72b08000, 0xd4000002, 0x14000000),
    args: (path) => ['-machine', 'virt', '-kernel', path],
    exitCode: 0,
  },
  riscv64: {
    // lui t1, 4883 (about twenty million); 1: addi t1, t1, -1; bnez t1, 1b; lui t0, 0x100; lui t2, 5; addi t2, t2, 0x555; sw t2, (t0); j .
    image: words(0x01313337, 0xfff30313, 0xfe031ee3, 0x001002b7, 0x000053b7, 0x55538393, 0x0072a023, 0x0000006f),
    args: (path) => ['-machine', 'virt', '-kernel', path],
    exitCode: 0,
  },
}
