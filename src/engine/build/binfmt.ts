import { access, readFile, writeFile } from 'node:fs/promises'
import { type Arch, architectures, hostArch } from '../arch.ts'
import { YoeError } from '../errors.ts'
import { errorCode } from '../store/disk.ts'

/** Where the kernel keeps what it knows of programs of other kinds. */
export const binfmtFolder = '/proc/sys/fs/binfmt_misc'

/** ELF header bytes of each architecture's programs: the machine number is at 18, little-endian (elf.h, EM_*). */
const machines: Readonly<Record<Arch, { readonly name: string; readonly machine: string }>> = {
  x86_64: { name: 'qemu-x86_64', machine: '3e' },
  arm64: { name: 'qemu-aarch64', machine: 'b7' },
  riscv64: { name: 'qemu-riscv64', machine: 'f3' },
}

/** How programs of an architecture run on this machine. */
export type Emulation =
  | { readonly kind: 'native' }
  | { readonly kind: 'emulated'; readonly interpreter: string }
  /** `hint` is the line that mends it. */
  | { readonly kind: 'missing'; readonly reason: string; readonly hint: string }

/** @param folder where binfmt_misc is mounted */
export async function emulationOf(arch: Arch, folder = binfmtFolder): Promise<Emulation> {
  if (arch === hostArch()) return { kind: 'native' }
  const { name } = machines[arch]
  const text = await readFile(`${folder}/${name}`, 'utf8').catch(() => undefined)
  const missing = (reason: string, hint = enabling): Emulation => ({ kind: 'missing', reason, hint })
  if (text === undefined) return missing(`no ${name} in binfmt_misc`)
  if (!text.startsWith('enabled')) return missing(`${name} is disabled`, `echo 1 | sudo tee ${folder}/${name}`)
  // Opened when it was registered: so it is there in sandboxes, which see nothing of the host.
  if (!/^flags: .*F/m.test(text))
    return missing(
      `${name} is registered without the F flag, so it is not seen in a sandbox`,
      `echo -1 | sudo tee ${folder}/${name} && ${enabling}`,
    )
  return { kind: 'emulated', interpreter: /^interpreter (.+)$/m.exec(text)?.[1] ?? name }
}

const enabling =
  'sudo apt-get install qemu-user-static binfmt-support, or sudo yoe container binfmt where QEMU is there'

/** The first architecture among `arches` whose programs can't run here, told once. @throws {YoeError} TOOL_MISSING */
export async function requireEmulation(arches: Iterable<Arch>, folder = binfmtFolder): Promise<void> {
  for (const arch of new Set(arches)) {
    const found = await emulationOf(arch, folder)
    if (found.kind === 'missing')
      throw new YoeError('TOOL_MISSING', `programs of ${arch} don't run on this machine: ${found.reason}`, {
        hint: found.hint,
      })
  }
}

const interpreterFolders = ['/usr/bin', '/usr/local/bin', '/usr/libexec/qemu-binfmt']

/** A statically linked QEMU for programs of an architecture: as it is opened once, what it links must not be needed later. */
async function findInterpreter(arch: Arch): Promise<string | undefined> {
  const { name } = machines[arch]
  for (const folder of interpreterFolders) {
    for (const candidate of [`${folder}/${name}-static`, `${folder}/${name}`]) {
      if ((await usable(candidate)) && !(await isDynamic(candidate))) return candidate
    }
  }
  return undefined
}

const usable = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** Whether an ELF file asks for a dynamic linker (PT_INTERP). */
async function isDynamic(path: string): Promise<boolean> {
  const bytes = await readFile(path)
  const [at, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)]
  return Array.from({ length: count }, (_, index) => bytes.readUInt32LE(at + index * size)).includes(3)
}

/**
 * What is written to binfmt_misc/register: 64-bit little-endian ELF programs and libraries of the architecture, any ABI.
 * Flags: F as above, P keeps the name that a program was called by.
 *
 * @see Linux Documentation/admin-guide/binfmt-misc.rst; QEMU scripts/qemu-binfmt-conf.sh
 */
export function registration(arch: Arch, interpreter: string): string {
  const { name, machine } = machines[arch]
  const bytes = (hex: string): string => hex.replace(/../g, '\\x$&')
  const magic = bytes(`7f454c460201010000000000000000000200${machine}00`)
  // The type may be EXEC (2) or DYN (3).
  const mask = bytes('ffffffffffffff00fffffffffffffffffeffffff')
  return `:${name}:M::${magic}:${mask}:${interpreter}:PF`
}

/** What became of registering an architecture. */
export interface Registered {
  readonly arch: Arch
  readonly outcome: 'native' | 'there already' | 'registered' | 'no emulator'
  /** What to type where there is no emulator. */
  readonly hint?: string
}

/**
 * Registers QEMU for the architectures that are foreign here and not registered yet; it holds until the next boot.
 *
 * @throws {YoeError} PERMISSION, with the line that does it as root
 */
export async function registerEmulators(
  arches: readonly Arch[] = architectures,
  folder = binfmtFolder,
): Promise<readonly Registered[]> {
  const done: Registered[] = []
  for (const arch of arches) {
    const now = await emulationOf(arch, folder)
    if (now.kind === 'native') done.push({ arch, outcome: 'native' })
    else if (now.kind === 'emulated') done.push({ arch, outcome: 'there already' })
    else {
      const interpreter = await findInterpreter(arch)
      if (interpreter === undefined)
        done.push({ arch, outcome: 'no emulator', hint: 'sudo apt-get install qemu-user-static' })
      else {
        await register(registration(arch, interpreter), machines[arch].name, folder)
        done.push({ arch, outcome: 'registered' })
      }
    }
  }
  return done
}

async function register(line: string, name: string, folder: string): Promise<void> {
  try {
    // What is there and no good stands in the way.
    await writeFile(`${folder}/${name}`, '-1', { flag: 'r+' }).catch((failure: unknown) => {
      if (errorCode(failure) !== 'ENOENT') throw failure
    })
    await writeFile(`${folder}/register`, line, { flag: 'r+' })
  } catch (cause) {
    const code = errorCode(cause)
    throw new YoeError('PERMISSION', `${name} can't be registered in ${folder} (${code})`, {
      hint:
        code === 'ENOENT'
          ? `sudo modprobe binfmt_misc && sudo mount -t binfmt_misc binfmt_misc ${binfmtFolder}`
          : 'sudo yoe container binfmt',
      cause,
    })
  }
}
