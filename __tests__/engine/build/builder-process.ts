/**
 * A process that builds the unit `same-<round>` each time that it is told a round, in a cache that it shares with others;
 * every build adds a line to `built`. Arguments: a folder of its own, the cache, the file, and `naive` to go without locks.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { execute } from '#engine/build/executor.ts'
import { Store } from '#engine/store/store.ts'
import { packageNode } from './nodes.ts'
import { quietContext } from './quiet-context.ts'

const [root = '', cache = '', built = '', how] = process.argv.slice(2)
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}
say('ready')
for await (const round of createInterface({ input: process.stdin })) {
  const node = packageNode(`same-${round}`)
  const store = await Store.open(cache, {
    report: (event) => {
      if (event.type === 'notice') say(`told ${event.message}`)
    },
  })
  if (how === 'naive') store.lock = async () => ({ release: async () => {}, [Symbol.asyncDispose]: async () => {} })
  const keys = new Map([[node, { hash: Buffer.from(`h${round}`).toString('hex').padEnd(64, '0'), inputs: null }]])
  const context = await quietContext(root, { keys, store })
  const [report] = await execute(context, [node], {
    jobs: 1,
    keepGoing: false,
    rebuild: new Map(),
    build: async () => {
      appendFileSync(built, `${round}\n`)
      say('building')
      await new Promise((resolve) => setTimeout(resolve, 40))
      mkdirSync(root, { recursive: true })
      const path = join(root, 'file')
      writeFileSync(path, `result of ${round}`)
      return [{ name: 'file', path }]
    },
  })
  await store.release()
  say(`done ${report?.outcome} ${report?.manifest?.files[0]?.sha256} ${report?.why}`)
}
