// Publishes a repository to a bucket in a process of its own: something to kill.
import { readFileSync } from 'node:fs'
import { silent } from '#engine/events.ts'
import { readOpenPgpKey } from '../../../src/feeds/keys/openpgp.ts'
import { publishBucket } from '../../../src/feeds/publish/bucket.ts'
import { now, suite } from '../debian/feed-making.ts'
import { filesOf } from './bucket-making.ts'

const [folder = '', source = '', keyFile = '', place = ''] = process.argv.slice(2)
const signingKey = await readOpenPgpKey(readFileSync(keyFile, 'utf8'), keyFile)
const files = filesOf(folder, JSON.parse(place))
await publishBucket({ source, files, project: 'demo', suite, signingKey, date: now, keep: 100, report: silent })
