/** A proxy before an S3 service, whose requests can be refused or cut off, and that counts them. */
import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { served } from './local-server.ts'

export interface Front {
  readonly endpoint: string
  /** `PUT /bucket/key`, in order of arrival. */
  readonly requests: string[]
  /** Serves a request in the service's place; false: it goes on to the service. */
  misbehave: (request: IncomingMessage, answer: ServerResponse) => boolean
}

export async function frontOf(t: TestContext, endpoint: string): Promise<Front> {
  const { hostname, port } = new URL(endpoint)
  const server = createServer((request, answer) => {
    front.requests.push(`${request.method} ${request.url}`)
    if (front.misbehave(request, answer)) return
    // The host stays as it was signed.
    const { method, url: path, headers } = request
    const onward = ask({ hostname, port, method, path, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(answer)
    })
    onward.on('error', () => answer.destroy())
    request.pipe(onward)
  })
  const front: Front = { endpoint: await served(t, server), requests: [], misbehave: () => false }
  return front
}

/** An answer as S3 refuses. */
export function refuse(answer: ServerResponse, status: number, code: string): true {
  answer.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code></Error>`)
  return true
}
