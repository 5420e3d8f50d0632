/** A line to a server that breaks in the middle of something large. */
import { connect, createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { listening } from '../../../support/local-server.ts'

export interface BreakingLine {
  /** `127.0.0.1:PORT`, which leads to the server. */
  readonly host: string
  /** Bytes that came from the server. */
  readonly bytes: () => number
  /** How often it broke. */
  readonly breaks: () => number
}

/** @param after bytes of one connection, once */
export async function breakingLine(t: TestContext, to: string, after: number): Promise<BreakingLine> {
  let [bytes, breaks] = [0, 0]
  const [hostname = '', port = ''] = to.split(':')
  const server = createServer((client) => {
    const far = connect(Number(port), hostname)
    let came = 0
    client.pipe(far)
    far.on('data', (chunk) => {
      const part = breaks === 0 ? chunk.subarray(0, after - came) : chunk
      came += part.length
      bytes += part.length
      if (breaks > 0 || came < after) {
        if (!client.write(part)) far.pause()
        return
      }
      breaks++
      far.destroy()
      client.end(part, () => client.destroy())
    })
    client.on('drain', () => far.resume())
    for (const [one, other] of [
      [client, far],
      [far, client],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => (one === far ? client.end() : other.destroy()))
    }
    t.after(() => client.destroy())
  })
  const host = `127.0.0.1:${await listening(server)}`
  t.after(() => server.close())
  return { host, bytes: () => bytes, breaks: () => breaks }
}
