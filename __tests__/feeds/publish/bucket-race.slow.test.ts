import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { generateOpenPgpKey } from '../../../src/feeds/keys/openpgp.ts'
import { served } from '../../support/local-server.ts'
import { scratch } from '../../support/making.ts'
import { testBucket } from '../../support/s3.ts'
import { aptFor, readFeed, suite, versionsOf } from '../debian/feed-making.ts'
import { filesOf, prefix, publishOne } from './bucket-making.ts'

test('A11 100 rounds of two publishers on one bucket: every package ends up in the index, and apt and a careful reader see whole generations throughout', async (t) => {
  const [folder, bucket] = [await scratch(t), await testBucket(t)]
  const key = await generateOpenPgpKey('demo', new Date(Date.now() - 86_400_000))
  const root = join(bucket.folder, prefix, 'debian')
  await publishOne(folder, filesOf(folder, bucket), key, {})

  // A bucket that is open to all, as devices see it.
  const server = createServer((request, response) => {
    readFile(join(root, decodeURIComponent(request.url ?? '/'))).then(
      (content) => response.writeHead(200, { 'content-length': content.length }).end(content),
      () => response.writeHead(404).end(),
    )
  })
  const apt = await aptFor(folder, await served(t, server), key)

  let done = false
  let reads = 0
  const reading = (async () => {
    let before: readonly string[] = []
    while (!done) {
      const now = versionsOf(await readFeed(root, key))
      assert.deepEqual(
        before.filter((each) => !now.includes(each)),
        [],
        'nothing that was offered went away',
      )
      before = now
      reads++
      await pause(20)
    }
  })()
  let updates = 0
  const updating = (async () => {
    while (!done) {
      const { code, stderr } = await apt.get('update')
      assert.deepEqual([code, stderr], [0, ''])
      updates++
      await pause(20)
    }
  })()
  const notices: string[] = []
  const publisher = async (name: string): Promise<void> => {
    const files = filesOf(join(folder, name), bucket)
    for (let round = 0; round < 50; round++)
      await publishOne(
        join(folder, name),
        files,
        key,
        { name: `${name}-${round}` },
        {
          report: (event) => void (event.type === 'notice' && notices.push(event.message)),
        },
      )
  }
  try {
    await Promise.all([publisher('one'), publisher('two')])
  } finally {
    done = true
    await Promise.all([reading, updating])
  }
  const offered = versionsOf(await readFeed(root, key))
  assert.equal(offered.length, 101)
  assert.ok(notices.length > 0, 'they did meet')
  assert.ok(reads > 3 && updates > 3)
  t.diagnostic(`${notices.length} times the slower one began again; ${reads} readings, ${updates} apt updates`)
  const page = await readFile(join(bucket.folder, prefix, 'index.html'), 'utf8')
  for (const each of offered) assert.ok(page.includes(`>${each.split(' ')[0]}<`), each)
  const plain = await apt.get('-o', 'Acquire::By-Hash=no', 'update')
  assert.deepEqual([plain.code, plain.stderr], [0, ''], `also by plain names, in ${suite}`)
})
