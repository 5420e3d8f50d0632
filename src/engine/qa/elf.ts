/** What packaging needs to know of an ELF file. */
export interface ElfFacts {
  /** ET_REL (1), ET_EXEC (2), ET_DYN (3) or another e_type. */
  readonly type: number
  /** e_machine. */
  readonly machine: number
  /** 64 bit, and little endian. */
  readonly wide: boolean
  readonly little: boolean
  readonly soname?: string
  /** DT_NEEDED, in file order. */
  readonly needed: readonly string[]
  /** DT_RPATH or DT_RUNPATH, its folders as they are written. */
  readonly runPath: readonly string[]
  /** Code that the dynamic linker changes. */
  readonly textRelocations: boolean
  readonly executableStack: boolean
  /** Names of its sections: empty when it has none, or a damaged table of them, which nothing that runs it reads. */
  readonly sections: ReadonlySet<string>
}

/** Reads up to `length` bytes at `offset`; fewer only at the end of the file. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>

/** e_machine of the architectures that packages are made for. */
export const elfMachines = { x86_64: 62, arm64: 183, riscv64: 243 } as const

const limits = {
  programHeaders: 512,
  sections: 1 << 14,
  sectionNames: 1 << 20,
  dynamicBytes: 1 << 20,
  needed: 4096,
  name: 1024,
  runPath: 1 << 16,
} as const
const segment = { load: 1, dynamic: 2, gnuStack: 0x6474e551 } as const
const tag = {
  null: 0,
  needed: 1,
  strtab: 5,
  strsz: 10,
  soname: 14,
  rpath: 15,
  textrel: 22,
  runpath: 29,
  flags: 30,
} as const
const flagTextrel = 4
const segmentExecutable = 1

/**
 * Reads headers, the dynamic section and the names of sections, never more: content is hostile, so every offset and
 * count is bounded before use.
 *
 * @returns undefined for what is no ELF file, or one too damaged for a dynamic linker to load
 * @see elf(5)
 */
export async function readElf(read: ReadAt): Promise<ElfFacts | undefined> {
  const head = await read(0, 64)
  if (head.length < 52 || head.readUInt32BE(0) !== 0x7f454c46) return undefined
  const [wide, little] = [head[4] === 2, head[5] === 1]
  if ((head[4] !== 1 && !wide) || (head[5] !== 2 && !little) || (wide && head.length < 64)) return undefined
  const shape = fields(wide, little)
  const type = shape.half(head, 16)
  const machine = shape.half(head, 18)
  const phoff = shape.word(head, wide ? 32 : 28)
  const phentsize = shape.half(head, wide ? 54 : 42)
  const phnum = shape.half(head, wide ? 56 : 44)
  const sections = await sectionNames(read, head, shape)
  const bare: ElfFacts = {
    type,
    machine,
    wide,
    little,
    needed: [],
    runPath: [],
    textRelocations: false,
    executableStack: false,
    sections,
  }
  if (phnum === 0) return bare
  if (phnum > limits.programHeaders || phentsize !== (wide ? 56 : 32)) return undefined
  const table = await read(phoff, phnum * phentsize)
  if (table.length < phnum * phentsize) return undefined
  const segments = Array.from({ length: phnum }, (_, index) => programHeader(table.subarray(index * phentsize), shape))
  const stack = segments.find((each) => each.type === segment.gnuStack)
  const loaded = { ...bare, executableStack: ((stack?.flags ?? 0) & segmentExecutable) !== 0 }
  const dynamic = segments.find((each) => each.type === segment.dynamic)
  if (dynamic === undefined) return loaded
  if (dynamic.size > limits.dynamicBytes) return undefined
  const entries = dynamicEntries(await read(dynamic.offset, dynamic.size), shape)
  const textRelocations = entries.some(
    ([key, value]) => key === tag.textrel || (key === tag.flags && (value & flagTextrel) !== 0),
  )
  const strings = stringTable(entries, segments)
  if (strings === undefined)
    return entries.some(([key]) => key === tag.needed) ? undefined : { ...loaded, textRelocations }
  const names = async (wanted: number, longest: number = limits.name): Promise<(string | undefined)[]> => {
    const found = entries.filter(([key]) => key === wanted).slice(0, limits.needed)
    return Promise.all(found.map(([, value]) => stringAt(read, strings, value, longest)))
  }
  const needed = await names(tag.needed)
  const [soname] = await names(tag.soname)
  const runPaths = [...(await names(tag.rpath, limits.runPath)), ...(await names(tag.runpath, limits.runPath))]
  const whole = needed.filter((name) => name !== undefined)
  if (whole.length !== needed.length) return undefined
  return {
    ...loaded,
    textRelocations,
    needed: whole,
    runPath: runPaths.flatMap((path) => (path === undefined || path === '' ? [] : path.split(':'))),
    ...(soname === undefined || soname === '' ? {} : { soname }),
  }
}

async function sectionNames(
  read: ReadAt,
  head: Buffer,
  { wide, half, word, int }: Shape,
): Promise<ReadonlySet<string>> {
  const offset = word(head, wide ? 40 : 32)
  const size = half(head, wide ? 58 : 46)
  const count = half(head, wide ? 60 : 48)
  const names = half(head, wide ? 62 : 50)
  if (count === 0 || count > limits.sections || names >= count || size !== (wide ? 64 : 40)) return new Set()
  const table = await read(offset, count * size)
  if (table.length < count * size) return new Set()
  const at = names * size
  const length = word(table, at + (wide ? 32 : 20))
  if (length > limits.sectionNames) return new Set()
  const strings = await read(word(table, at + (wide ? 24 : 16)), length)
  const found = new Set<string>()
  for (let index = 0; index < count; index++) {
    const start = int(table, index * size)
    const end = strings.indexOf(0, start)
    if (start < strings.length && end >= 0) found.add(strings.toString('latin1', start, Math.min(end, start + 100)))
  }
  return found
}

interface Shape {
  readonly wide: boolean
  half(bytes: Buffer, at: number): number
  /** An address-sized number; NaN-free: what exceeds 2^53 becomes larger than any file. */
  word(bytes: Buffer, at: number): number
  int(bytes: Buffer, at: number): number
}

function fields(wide: boolean, little: boolean): Shape {
  const int = (bytes: Buffer, at: number): number => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at))
  return {
    wide,
    int,
    half: (bytes, at) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at)),
    word: (bytes, at) =>
      wide ? Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at)) : int(bytes, at),
  }
}

interface Segment {
  readonly type: number
  readonly flags: number
  readonly offset: number
  readonly address: number
  readonly size: number
}

function programHeader(bytes: Buffer, { wide, int, word }: Shape): Segment {
  return {
    type: int(bytes, 0),
    flags: int(bytes, wide ? 4 : 24),
    offset: word(bytes, wide ? 8 : 4),
    address: word(bytes, wide ? 16 : 8),
    size: word(bytes, wide ? 32 : 16),
  }
}

function dynamicEntries(bytes: Buffer, { wide, word }: Shape): (readonly [key: number, value: number])[] {
  const width = wide ? 8 : 4
  const entries: (readonly [number, number])[] = []
  for (let at = 0; at + 2 * width <= bytes.length; at += 2 * width) {
    const key = word(bytes, at)
    if (key === tag.null) break
    entries.push([key, word(bytes, at + width)])
  }
  return entries
}

/** Where the string table lies in the file. */
function stringTable(
  entries: readonly (readonly [number, number])[],
  segments: readonly Segment[],
): { readonly offset: number; readonly size: number } | undefined {
  const value = (wanted: number): number | undefined => entries.find(([key]) => key === wanted)?.[1]
  const [address, size] = [value(tag.strtab), value(tag.strsz)]
  if (address === undefined || size === undefined) return undefined
  const home = segments.find(
    (each) => each.type === segment.load && address >= each.address && address - each.address < each.size,
  )
  return home === undefined ? undefined : { offset: home.offset + (address - home.address), size }
}

async function stringAt(
  read: ReadAt,
  table: { readonly offset: number; readonly size: number },
  at: number,
  longest: number,
): Promise<string | undefined> {
  if (at >= table.size) return undefined
  const bytes = await read(table.offset + at, Math.min(longest + 1, table.size - at))
  const end = bytes.indexOf(0)
  return end < 0 ? undefined : bytes.toString('latin1', 0, end)
}
