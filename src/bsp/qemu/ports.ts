import { createServer } from 'node:net'
import { YoeError } from '#engine/errors.ts'
import type { Forward } from '#engine/project/scalars.ts'
import { portForward } from '#engine/project/scalars.ts'

export type PortForward = Forward

/** Only this host reaches a guest. */
export const loopback = '127.0.0.1'

/**
 * The machine's forwards with others laid over them, each layer over those before: an entry for a guest port that is
 * forwarded already replaces it where it stands, any other is appended.
 */
export function mergePorts(...layers: readonly (readonly PortForward[])[]): PortForward[] {
  const merged = new Map<number, PortForward>()
  for (const layer of layers) for (const forward of layer) merged.set(forward.guest, forward)
  return [...merged.values()]
}

/**
 * `HOST:GUEST`, as `--port` takes it.
 *
 * @throws {YoeError} USAGE
 */
export function parsePort(text: string): PortForward {
  const forward = portForward(text)
  if (forward !== undefined) return forward
  throw new YoeError('USAGE', `"${text}" is no port forward`, { hint: 'write HOST:GUEST, as in --port 8080:80' })
}

/** A port of the loopback that nobody listens on just now. */
export async function freePort(): Promise<number> {
  const bound = await bind(0)
  if (typeof bound === 'number') return bound
  throw bound
}

/**
 * Checks that QEMU will be able to bind what it forwards, since it tells poorly when it is not.
 *
 * @throws {YoeError} PORT_IN_USE, PERMISSION, naming the port and the flag; USAGE when two forwards want one host port
 */
export async function requireFreePorts(ports: readonly PortForward[]): Promise<void> {
  const seen = new Map<number, PortForward>()
  for (const forward of ports) {
    const { host, guest } = forward
    const other = seen.get(host)
    if (other !== undefined)
      throw new YoeError('USAGE', `port ${host} is forwarded twice, to ${other.guest} and to ${guest} of the guest`, {
        hint: `give one of them another: --port ${await freePort()}:${guest}`,
      })
    seen.set(host, forward)
    const bound = await bind(host)
    if (typeof bound !== 'number') throw await portError(forward, bound)
  }
}

/** Why a forward could not be bound. */
export async function portError({ host, guest }: PortForward, cause: unknown): Promise<YoeError> {
  const hint = `--port ${await freePort()}:${guest}`
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'EACCES')
    return new YoeError('PERMISSION', `only root may listen on port ${host}, which forwards to ${guest} of the guest`, {
      hint,
      cause,
    })
  return new YoeError('PORT_IN_USE', `port ${host} of ${loopback}, which forwards to ${guest} of the guest, is taken`, {
    hint: `another guest may still run; end it, or choose another port: ${hint}`,
    cause,
  })
}

/** Listens for a moment: the port, or why not. */
function bind(port: number): Promise<number | Error> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', resolve)
    server.listen({ port, host: loopback, exclusive: true }, () => {
      const address = server.address()
      const bound = address !== null && typeof address === 'object' ? address.port : port
      server.close(() => resolve(bound))
    })
  })
}
