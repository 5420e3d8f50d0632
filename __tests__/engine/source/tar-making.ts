/** Tars as somebody hostile would write them: every field as told. */
export interface Entry {
  readonly name: string
  readonly type?: string
  readonly link?: string
  readonly mode?: number
  readonly content?: string
  /** Said in the header instead of the content's length: a number, or the field itself. */
  readonly size?: number | string
  readonly mtime?: number
  readonly prefix?: string
  /** `ustar`, GNU's or none. */
  readonly magic?: string
}

export const tarEnd = Buffer.alloc(1024)

/** One entry's header and content. */
export function tarEntry(entry: Entry): Buffer {
  const { name, type = '0', link = '', mode = 0o644, content = '', size, mtime = 0, prefix = '' } = entry
  const header = Buffer.alloc(512)
  header.write(name, 0, 100, 'latin1')
  header.write(`${mode.toString(8).padStart(7, '0')}\0`, 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  const said = size ?? content.length
  header.write(typeof said === 'string' ? said : `${said.toString(8).padStart(11, '0')}\0`, 124, 12, 'latin1')
  header.write(`${mtime.toString(8).padStart(11, '0')}\0`, 136)
  header.write(type, 156)
  header.write(link, 157, 100, 'latin1')
  header.write(entry.magic ?? 'ustar\x0000', 257, 'latin1')
  header.write(prefix, 345, 155, 'latin1')
  header.write('        ', 148)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const body = Buffer.from(content, 'latin1')
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)])
}

/** A whole tar. */
export function tar(entries: readonly Entry[], end = tarEnd): Buffer {
  return Buffer.concat([...entries.map(tarEntry), end])
}

/** A pax header with these records, for the entry that follows. */
export function pax(records: Readonly<Record<string, string>>, type: 'x' | 'g' = 'x'): Entry {
  const content = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`
    let length = rest.length
    while (`${length}${rest}`.length !== length) length++
    return `${length}${rest}`
  })
  return { name: 'PaxHeaders/x', type, content: content.join('') }
}

/** GNU's header with a long name (`L`) or link (`K`) for the entry that follows. */
export function gnu(type: 'L' | 'K', text: string): Entry {
  return { name: '././@LongLink', type, content: `${text}\0`, magic: 'ustar  \0' }
}

/** An ar archive. */
export function ar(members: readonly (readonly [name: string, content: Buffer | string])[]): Buffer {
  const parts = members.flatMap(([name, content]) => {
    const bytes = Buffer.from(content)
    const head = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(bytes.length).padEnd(10)}\`\n`
    return [Buffer.from(head), bytes, Buffer.from(bytes.length % 2 === 1 ? '\n' : '')]
  })
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts])
}
