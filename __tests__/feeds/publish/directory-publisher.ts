// Publishes a repository to a directory in a process of its own: something to kill.
import { readFileSync } from 'node:fs'
import { silent } from '#engine/events.ts'
import { readOpenPgpKey } from '../../../src/feeds/keys/openpgp.ts'
import { publishDirectory } from '../../../src/feeds/publish/directory.ts'
import { now, suite } from '../debian/feed-making.ts'

const [source = '', target = '', keyFile = ''] = process.argv.slice(2)
const signingKey = await readOpenPgpKey(readFileSync(keyFile, 'utf8'), keyFile)
await publishDirectory({ source, target, project: 'demo', suite, signingKey, date: now, keep: 100, report: silent })
