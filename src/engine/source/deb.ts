import { open } from 'node:fs/promises'
import { YoeError } from '../errors.ts'
import { arMembers } from './ar.ts'
import { headOf, type Part } from './decompress.ts'

/**
 * The part of a Debian package that holds what it installs; undefined when this is none.
 *
 * @param head the first bytes
 * @throws {YoeError} ARCHIVE_UNSAFE for one that dpkg would not take as it is
 * @see deb(5)
 */
export async function debData(whole: Part, head: Buffer, title: string): Promise<Part | undefined> {
  if (!/^!<arch>\ndebian-binary(\/ {2}| {3})$/.test(head.toString('latin1', 0, 24))) return undefined
  const refuse = (why: string): YoeError =>
    new YoeError('ARCHIVE_UNSAFE', `${title} can't be unpacked: it is no Debian package: ${why}`)
  await using file = await open(whole.path, 'r')
  const members = await arMembers(file)
  if (typeof members === 'string') throw refuse(members)
  const [version, control, data, ...others] = members.filter(({ name }) => !name.startsWith('_'))
  const part = ({ offset, size }: { readonly offset: number; readonly size: number }): Part => ({
    path: whole.path,
    start: offset,
    size,
  })
  if (version === undefined || !/^2\.\d+\n/.test((await headOf(part(version), 16)).toString('latin1')))
    throw refuse('its format is not 2')
  if (!/^control\.tar(\.(gz|xz|zst))?$/.test(control?.name ?? '')) throw refuse('its second member is no control.tar')
  if (data === undefined || !/^data\.tar(\.(gz|xz|zst|bz2))?$/.test(data.name))
    throw refuse('its third member is no data.tar')
  if (others.length > 0) throw refuse(`it has a member ${JSON.stringify(others[0]?.name)}`)
  return part(data)
}
