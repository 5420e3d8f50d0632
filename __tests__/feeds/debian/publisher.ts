// Publishes what its arguments say, in a process of its own: something to kill, or to run twice at once.
import { readFileSync } from 'node:fs'
import { publishRepository } from '../../../src/feeds/debian/repository.ts'
import { readOpenPgpKey } from '../../../src/feeds/keys/openpgp.ts'
import { publishInput } from './feed-making.ts'

const [root = '', keyFile = '', entriesFile = ''] = process.argv.slice(2)
const key = await readOpenPgpKey(readFileSync(keyFile, 'utf8'), keyFile)
try {
  await publishRepository(publishInput(root, key, JSON.parse(readFileSync(entriesFile, 'utf8')), { keep: 100 }))
} catch (failure) {
  process.stderr.write(`${failure instanceof Error ? `${Reflect.get(failure, 'code')} ${failure.message}` : failure}\n`)
  process.exitCode = 1
}
