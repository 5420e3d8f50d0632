import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

export interface Asked {
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** How often this path was asked for, this time included. */
  readonly times: number
}

/** Writes whatever it likes to the connection; nothing is added, and nothing is closed but by it. */
export type Script = (socket: Socket, asked: Asked) => void

/** A server on a socket, so that answers can be as wrong as a test wants them. Use with `await using`. */
export class HostileServer implements AsyncDisposable {
  readonly asked: Asked[] = []
  readonly #scripts = new Map<string, Script>()
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer((socket) => this.#serve(socket))

  static async start(scripts: Readonly<Record<string, Script>> = {}): Promise<HostileServer> {
    const server = new HostileServer()
    for (const [path, script] of Object.entries(scripts)) server.on(path, script)
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  on(path: string, script: Script): void {
    this.#scripts.set(path, script)
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    return address.port
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`
  }

  count(path: string): number {
    return this.asked.filter((asked) => asked.path === path).length
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => {})
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const [first = '', ...lines] = text.slice(0, end).split('\r\n')
        text = text.slice(end + 4)
        const path = first.split(' ')[1] ?? ''
        const headers = Object.fromEntries(
          lines.map((line) => [
            line.slice(0, line.indexOf(':')).toLowerCase(),
            line.slice(line.indexOf(':') + 1).trim(),
          ]),
        )
        const asked = { path, headers, times: this.count(path) + 1 }
        this.asked.push(asked)
        const script = this.#scripts.get(path) ?? status(404, 'Not Found')
        script(socket, asked)
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** A right answer. */
export function body(content: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Script {
  const bytes = Buffer.from(content)
  return (socket) =>
    socket.write(Buffer.concat([head(200, { 'Content-Length': `${bytes.length}`, ...headers }), bytes]))
}

export function status(code: number, text: string, headers: Readonly<Record<string, string>> = {}): Script {
  return (socket) => socket.write(head(code, { 'Content-Length': '0', ...headers }, text))
}

export function redirect(location: string): Script {
  return status(302, 'Found', { Location: location })
}

export function head(code: number, headers: Readonly<Record<string, string>>, text = 'OK'): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`HTTP/1.1 ${code} ${text}\r\n${lines.join('')}\r\n`, 'latin1')
}

/** Different scripts for the first, second, ... time; the last goes on. */
export function inTurn(...scripts: readonly Script[]): Script {
  return (socket, asked) => scripts[Math.min(asked.times, scripts.length) - 1]?.(socket, asked)
}
