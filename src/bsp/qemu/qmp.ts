import { createConnection, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** QEMU's control socket (docs/interop/qmp-spec.rst): one request at a time, and events. */
export interface Qmp {
  /** Undefined when QEMU refuses or is gone. */
  request(command: string): Promise<unknown>
  /** The QEMU events seen so far, oldest first, with the reason of a SHUTDOWN: `SHUTDOWN guest-shutdown`. */
  readonly events: readonly string[]
  /** Resolves when QEMU hung up and all its events are here; never rejects. */
  readonly ended: Promise<void>
  close(): void
}

/** Longest line that is kept while waiting for its end. */
const longest = 64 * 1024

/**
 * Connects as soon as QEMU listens.
 *
 * @returns undefined when it does not within `patience` milliseconds
 */
export async function connectQmp(path: string, patience: number, signal?: AbortSignal): Promise<Qmp | undefined> {
  const until = performance.now() + patience
  while (performance.now() < until && signal?.aborted !== true) {
    const socket = await connect(path)
    if (socket !== undefined) return negotiate(socket)
    await sleep(20)
  }
  return undefined
}

function connect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ path })
    socket.once('connect', () => resolve(socket))
    socket.once('error', () => resolve(undefined))
  })
}

async function negotiate(socket: Socket): Promise<Qmp> {
  const events: string[] = []
  const waiting: ((answer: unknown) => void)[] = []
  const settle = (answer: unknown): void => waiting.shift()?.(answer)
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (text) => {
    const lines = (rest + String(text)).split('\n')
    rest = (lines.pop() ?? '').slice(-longest)
    for (const line of lines) take(parse(line))
  })
  const take = (message: Readonly<Record<string, unknown>>): void => {
    if (typeof message['event'] === 'string') {
      const data = message['data']
      const reason = typeof data === 'object' && data !== null && 'reason' in data ? ` ${String(data.reason)}` : ''
      if (events.length < 1000) events.push(`${message['event']}${reason}`)
    } else if ('return' in message) settle(message['return'])
    else if ('error' in message) settle(undefined)
  }
  socket.on('error', () => {})
  const ended = new Promise<void>((resolve) => {
    socket.on('close', () => {
      while (waiting.length > 0) settle(undefined)
      resolve()
    })
  })
  const request = (command: string): Promise<unknown> =>
    new Promise((resolve) => {
      if (socket.destroyed) return resolve(undefined)
      waiting.push(resolve)
      socket.write(`${JSON.stringify({ execute: command })}\n`)
    })
  await request('qmp_capabilities')
  return { request, events, ended, close: () => socket.destroy() }
}

function parse(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
