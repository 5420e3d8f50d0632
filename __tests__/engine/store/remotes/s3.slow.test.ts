import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { Exchange } from '../../../../src/engine/source/exchange.ts'
import { credentialChain } from '../../../../src/engine/store/remotes/aws-credentials.ts'
import { BucketStore } from '../../../../src/engine/store/remotes/s3.ts'
import { BucketRequests } from '../../../../src/engine/store/remotes/s3-requests.ts'
import { scratch } from '../../../support/project.ts'
import { testBucket } from '../../../support/s3.ts'
import { backends } from './backends.ts'
import { chainTests } from './chain.ts'
import { documentsBehave } from './documents.ts'
import { plantedTests, planting } from './planted.ts'

chainTests('s3', backends.s3)
plantedTests('s3', (t) => planting(backends.s3(t), true))

test('s3: against versitygw', async (t) => {
  const { endpoint, bucket, region, env } = await testBucket(t)
  const folder = scratch(t)
  let count = 0
  const requests = new BucketRequests({ bucket, endpoint, region }, new Exchange(), credentialChain(env))
  const temp = () => join(folder, `${count++}`)
  const store = new BucketStore({ requests, bucket, prefix: 'team', temp, title: 'team' })
  const fill = (text: string | Buffer) => async (path: string) => writeFileSync(path, text)
  assert.equal(await store.put('units/x/a', fill('one')), 'saved')
  assert.equal(await store.put('units/x/a', fill('two')), 'exists')
  assert.equal(await store.get('units/x/a', async (path) => readFileSync(path, 'utf8')), 'one')
  assert.equal(await store.put('units/x/a', fill('two'), { replace: true }), 'saved')
  assert.equal(await store.get('units/x/a', async (path) => readFileSync(path, 'utf8')), 'two')
  assert.equal(await store.get('units/x/b', async () => 1), undefined)
  assert.deepEqual([...(await store.has(['units/x/a', 'units/x/b']))], ['units/x/a'])
  const large = randomBytes(33 * 2 ** 20)
  assert.equal(await store.put('units/x/large', fill(large)), 'saved')
  assert.ok(await store.get('units/x/large', async (path) => readFileSync(path).equals(large)))
  const names: string[] = []
  for await (const name of store.list('units/')) names.push(name)
  assert.deepEqual(names, ['units/x/a', 'units/x/large'])
  await store.delete('units/x/a')
  await store.delete('units/x/a')
  await documentsBehave(store.documents, store.documents)
})
