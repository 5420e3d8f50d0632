import type { FileHandle } from 'node:fs/promises'
import { shown } from '../shown.ts'

/** A part of an ar archive. */
export interface ArMember {
  readonly name: string
  /** Where its content starts in the archive, and how long it is, in bytes. */
  readonly offset: number
  readonly size: number
}

export const arMagic = '!<arch>\n'

/**
 * The members of an ar archive, of which all headers lie where the sizes before them say. Names are as dpkg takes them:
 * without the slash that GNU ar puts behind them.
 *
 * @returns what is wrong with it in words, when something is
 * @see deb(5)
 */
export async function arMembers(file: FileHandle, most = 8): Promise<readonly ArMember[] | string> {
  const { size: end } = await file.stat()
  const head = Buffer.alloc(60)
  const read = async (length: number, at: number): Promise<string> => {
    const { bytesRead } = await file.read(head, 0, length, at)
    return head.toString('latin1', 0, bytesRead)
  }
  if ((await read(arMagic.length, 0)) !== arMagic) return 'it is no ar archive'
  const members: ArMember[] = []
  for (let at = arMagic.length; at < end; ) {
    if (members.length >= most) return `it has more than ${most} members`
    const text = await read(60, at)
    const size = Number(/^\d{1,10} *$/.exec(text.slice(48, 58))?.[0] ?? Number.NaN)
    if (text.slice(58) !== '`\n' || Number.isNaN(size)) return 'a header of a member is damaged'
    const name = text.slice(0, 16).trimEnd().replace(/\/$/, '')
    if (at + 60 + size > end) return `its member "${shown(name)}" is cut short`
    members.push({ name, offset: at + 60, size })
    at += 60 + size + (size % 2)
  }
  return members
}
