import { spawn } from 'node:child_process'
import type { Egress } from './egress.ts'
import type { Self } from './identity.ts'
import { rootRange } from './identity.ts'

/**
 * Runs in a run's network namespace and sees the host's files: what connects to a port there is led to the socket of that
 * name. It understands nothing of what passes, gives away its id when it listens, and ends with its input.
 * Arguments: folder of the sockets; the id to become, or ''; ports.
 */
const relayProgram = `
const net = require('node:net')
const [folder, id, ...ports] = process.argv.slice(1)
let waiting = ports.length
const listening = () => {
  if (--waiting > 0) return
  if (id !== '') { process.setgroups([]); process.setgid(Number(id)); process.setuid(Number(id)) }
  process.stdout.write('up\\n')
}
for (const port of ports) {
  const server = net.createServer({ allowHalfOpen: true }, (inside) => {
    const outside = net.connect({ path: folder + '/' + port, allowHalfOpen: true })
    for (const [one, other] of [[inside, outside], [outside, inside]]) {
      one.on('error', () => other.destroy())
      one.pipe(other)
    }
  })
  let tries = 0
  server.on('error', (failure) => {
    if (tries++ > 500) throw failure
    setTimeout(() => server.listen(Number(port), '127.0.0.1'), 10)
  })
  server.listen(Number(port), '127.0.0.1', listening)
}
process.stdin.resume()
process.stdin.on('end', () => process.exit())
`

/** What a relay is told. */
export const relayArguments = ({ folder, ports }: Egress, become: string): string[] => [
  ...['-e', relayProgram, folder, become],
  ...ports.map(String),
]

/**
 * Starts a relay in the network namespace of a process.
 *
 * @param pid in whose namespaces; a plain user enters its user namespace first
 * @param lost told when it ends by itself
 * @returns what ends it; resolves when it listens
 */
export async function startRelay(
  pid: number,
  egress: Egress,
  who: Self,
  path: string,
  lost: (why: string) => void,
): Promise<() => void> {
  const enter = who.root ? [] : [`--user=/proc/${pid}/ns/user`, '--preserve-credentials']
  const become = who.root ? String(rootRange.first) : ''
  const child = spawn(
    'nsenter',
    [...enter, `--net=/proc/${pid}/ns/net`, process.execPath, ...relayArguments(egress, become)],
    { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: path }, cwd: '/', detached: true },
  )
  let said = ''
  let stopped = false
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  child.stdin.on('error', () => {})
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.stdout.once('data', () => resolve())
    child.once('exit', () => {
      const why = `the way to the network ended: ${said.trim()}`
      reject(new Error(why))
      if (!stopped) lost(why)
    })
  })
  return () => {
    stopped = true
    child.kill('SIGKILL')
  }
}
