import type { PortForward } from '#bsp/qemu/ports.ts'
import { parsePort } from '#bsp/qemu/ports.ts'
import { YoeError } from '#engine/errors.ts'
import { sizeInBytes } from '#engine/project/scalars.ts'
import type { LocalSettings } from '#toolkit/local/settings.ts'

/** What of a guest is chosen over what its machine says. */
export interface GuestOptions {
  /** Later ones over earlier. */
  readonly ports: readonly PortForward[]
  /** Bytes. */
  readonly memory?: number
  readonly display?: boolean
}

/**
 * The options of `yoe run`, over those of local.star.
 * @throws {YoeError} USAGE
 */
export function guestOptions(
  given: { readonly port: readonly string[]; readonly memory: string | undefined; readonly display: boolean },
  { qemu_ports = [], qemu_memory, qemu_display }: LocalSettings,
): GuestOptions {
  const memory = given.memory === undefined ? qemu_memory : readSize(given.memory)
  const display = given.display ? 'on' : qemu_display
  return {
    ports: [...qemu_ports, ...given.port.map(parsePort)],
    ...(memory === undefined ? {} : { memory }),
    ...(display === undefined ? {} : { display: display === 'on' }),
  }
}

function readSize(text: string): number {
  const bytes = sizeInBytes(text)
  if (bytes !== undefined) return bytes
  throw new YoeError('USAGE', `${JSON.stringify(text)} is no size`, { hint: 'say --memory 2G' })
}
