import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface SlowNetwork {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** `PUT /bucket/units/…`, in the order of their arrival. */
  readonly requests: string[]
  /** Bodies that went through, both ways. */
  readonly bytes: () => number
  close(): void
}

/** What lies between a runner and a service somewhere else: each request takes a round trip, and bytes their time. */
export async function slowNetwork(to: string, { roundTripMs, bytesPerSecond }: Conditions): Promise<SlowNetwork> {
  const requests: string[] = []
  let bytes = 0
  // One line for all: who comes later waits until what came before is through.
  let free = performance.now()
  const travel = async (size: number): Promise<void> => {
    bytes += size
    free = Math.max(free, performance.now()) + (size / bytesPerSecond) * 1000
    const wait = free - performance.now()
    if (wait > 1) await sleep(wait)
  }
  const server = createServer(async (incoming, response) => {
    requests.push(`${incoming.method} ${incoming.url}`)
    await sleep(roundTripMs)
    const { method, url, headers } = incoming
    const { hostname, port } = new URL(to)
    const outgoing = request({ hostname, port, path: url, ...(method === undefined ? {} : { method }), headers })
    outgoing.once('error', () => response.destroy())
    outgoing.once('response', async (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      for await (const chunk of answer) {
        await travel(chunk.length)
        if (!response.write(chunk)) await once(response, 'drain')
      }
      response.end()
    })
    for await (const chunk of incoming) {
      await travel(chunk.length)
      if (!outgoing.write(chunk)) await once(outgoing, 'drain')
    }
    outgoing.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    bytes: () => bytes,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

interface Conditions {
  readonly roundTripMs: number
  readonly bytesPerSecond: number
}
