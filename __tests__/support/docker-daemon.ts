import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { runProgram } from '#engine/build/host-program.ts'

/**
 * A Docker daemon of a test's own: its data, its socket, no bridge, nothing of the host's rules. It is stopped and all of
 * it removed after the test. Tests of a plain user use the machine's.
 *
 * @returns the path of its socket, or why there can't be one here
 */
export async function dockerDaemon(t: TestContext): Promise<{ readonly socket: string } | { readonly why: string }> {
  if (process.getuid?.() !== 0) {
    const usual = '/var/run/docker.sock'
    return (await answers(usual)) ? { socket: usual } : { why: 'only root can start a Docker daemon, and none answers' }
  }
  const folder = await mkdtemp(join(tmpdir(), 'yoe-docker-'))
  const socket = join(folder, 'socket')
  const log = join(folder, 'log')
  await mkdir(join(folder, 'run'))
  const daemon = spawn(
    'dockerd',
    [
      ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'run'), '--pidfile', join(folder, 'pid')],
      ...['--host', `unix://${socket}`, '--bridge=none', '--iptables=false', '--ip6tables=false'],
    ],
    {
      stdio: ['ignore', openSync(log, 'w'), openSync(log, 'a')],
      detached: true,
      env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
    },
  )
  const ended = once(daemon, 'exit')
  let failed: string | undefined
  daemon.once('error', (failure) => {
    failed = failure.message
  })
  ended.catch(() => {})
  t.after(async () => {
    if (daemon.pid !== undefined && daemon.exitCode === null) {
      daemon.kill('SIGTERM')
      await ended
    }
    // Mounts of containers that were ended hard stay below it.
    const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '')
    for (const mount of mounts.filter((path) => path.startsWith(`${folder}/`)).toReversed())
      await runProgram('umount', ['--lazy', mount])
    await rm(folder, { recursive: true, force: true })
  })
  for (let tries = 0; tries < 300 && failed === undefined && daemon.exitCode === null; tries++) {
    if (await answers(socket)) return { socket }
    await sleep(100)
  }
  const said = (await readFile(log, 'utf8')).trim().split('\n').at(-1)
  return { why: `no Docker daemon could be started: ${failed ?? said}` }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path: '/_ping' }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.once('error', () => resolve(false))
    asked.end()
  })
}
