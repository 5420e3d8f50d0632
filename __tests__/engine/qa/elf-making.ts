export interface ElfRecipe {
  readonly type?: number
  readonly machine?: number
  readonly soname?: string
  readonly needed?: readonly string[]
  /** 64 bit unless false. */
  readonly wide?: boolean
  /** Little endian unless false. */
  readonly little?: boolean
}

/** A program or library with a dynamic section and nothing else: as much as a linker's reader looks at. */
export function elfFile({
  type = 2,
  machine = 62,
  soname,
  needed = [],
  wide = true,
  little = true,
}: ElfRecipe): Buffer {
  const base = 0x400000
  const [headSize, phSize, width] = wide ? [64, 56, 8] : [52, 32, 4]
  const names = [...(soname === undefined ? [] : [soname]), ...needed]
  const strings = Buffer.from(['', ...names, ''].join('\0'), 'latin1')
  const offsetOf = (index: number): number => 1 + names.slice(0, index).reduce((sum, name) => sum + name.length + 1, 0)
  const tags: (readonly [number, number])[] = names.map((_, index) => [
    soname !== undefined && index === 0 ? 14 : 1,
    offsetOf(index),
  ])
  const dynamicAt = headSize + 2 * phSize
  const dynamicSize = (tags.length + 3) * 2 * width
  const stringsAt = dynamicAt + dynamicSize
  tags.push([5, base + stringsAt], [10, strings.length], [0, 0])

  const file = Buffer.alloc(stringsAt + strings.length)
  const half = (value: number, at: number): number =>
    little ? file.writeUInt16LE(value, at) : file.writeUInt16BE(value, at)
  const int = (value: number, at: number): number =>
    little ? file.writeUInt32LE(value, at) : file.writeUInt32BE(value, at)
  const word = (value: number, at: number): void => {
    if (!wide) int(value, at)
    else if (little) file.writeBigUInt64LE(BigInt(value), at)
    else file.writeBigUInt64BE(BigInt(value), at)
  }
  file.write('\x7fELF', 0, 'latin1')
  file[4] = wide ? 2 : 1
  file[5] = little ? 1 : 2
  file[6] = 1
  half(type, 16)
  half(machine, 18)
  word(headSize, wide ? 32 : 28)
  half(phSize, wide ? 54 : 42)
  half(2, wide ? 56 : 44)
  const segment = (at: number, kind: number, offset: number, size: number): void => {
    int(kind, at)
    word(offset, at + (wide ? 8 : 4))
    word(base + offset, at + (wide ? 16 : 8))
    word(size, at + (wide ? 32 : 16))
  }
  segment(headSize, 1, 0, file.length)
  segment(headSize + phSize, 2, dynamicAt, dynamicSize)
  for (const [index, [key, value]] of tags.entries()) {
    word(key, dynamicAt + index * 2 * width)
    word(value, dynamicAt + index * 2 * width + width)
  }
  strings.copy(file, stringsAt)
  return file
}
