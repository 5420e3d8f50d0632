/**
 * A process of its own around GitHub's unmodified cache client, started by process.ts.
 *
 * The client packs with the `tar` of its PATH, unpacks with `tar -P` (an entry could write anywhere), reads its paths
 * from the working folder, and says what went wrong only on standard output. Here the working folder is a private one,
 * PATH holds nothing but a stand-in for tar that archives one file as itself, and what the client says is caught per call.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type ClientAnswer, type ClientRequest, parseSayings } from './protocol.ts'

export async function serveCacheClient(): Promise<void> {
  const output = new AsyncLocalStorage<string[]>()
  // The client's log calls and the output of the programs it starts all end here, in the context of their call.
  process.stdout.write = (chunk: string | Uint8Array): boolean => {
    output.getStore()?.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'))
    return true
  }
  const client = await import('@actions/cache')

  const answer = async ({ id, verb, key, path, newest }: ClientRequest): Promise<void> => {
    const lines: string[] = []
    const outcome = await output.run(lines, async () => {
      try {
        const value =
          verb === 'restore'
            ? await client.restoreCache([path], key, newest === true ? [key] : [])
            : await client.saveCache([path], key)
        return value === undefined ? {} : { value }
      } catch (failure) {
        return { threw: failure instanceof Error ? failure.message : String(failure) }
      }
    })
    const message: ClientAnswer = { id, ...outcome, said: parseSayings(lines.join('')) }
    process.send?.(message)
  }
  process.on('message', (request: ClientRequest) => void answer(request))
  process.on('disconnect', () => process.exit(0))
}

if (process.argv[1] === import.meta.filename) await serveCacheClient()
