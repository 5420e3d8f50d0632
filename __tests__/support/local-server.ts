import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { createServer as createSocketServer, type Server as SocketServer } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

/** Lets a server answer on this machine until the test is over; its address, `http://127.0.0.1:PORT`. */
export async function served(t: TestContext, server: Server): Promise<string> {
  const port = await listening(server)
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${port}`
}

/** A port that nobody listens on, for a program that must be told one. */
export async function freePort(): Promise<number> {
  const server = createSocketServer()
  const port = await listening(server)
  server.close()
  await once(server, 'close')
  return port
}

/**
 * A web server of busybox over a folder, until the test is over; its address ends with `/`.
 * @param login `user:password` of who may read; undefined: everybody
 */
export async function webServer(t: TestContext, folder: string, login?: string): Promise<string> {
  const config = `${folder}.conf`
  writeFileSync(config, login === undefined ? '' : `/:${login}\n`)
  const address = `127.0.0.1:${await freePort()}`
  const child = spawn('busybox', ['httpd', '-f', '-p', address, '-h', folder, '-c', config], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  for (let tries = 0; (await fetch(`http://${address}/`).catch(() => undefined)) === undefined; tries++) {
    if (tries > 200) throw new Error("busybox's web server does not answer")
    await sleep(50)
  }
  return `http://${address}/`
}

/** Lets a server listen on this machine; its port. */
export async function listening(server: SocketServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  return address.port
}
