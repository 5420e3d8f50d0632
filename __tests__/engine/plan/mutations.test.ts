import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Feed, PackageRecord } from '#engine/catalog/package.ts'
import * as policies from '#engine/plan/field-policy.ts'
import type { Texts } from '../../support/project.ts'
import { ids, targets, texts } from './everything.ts'
import { fakeFeed, plan } from './fake-world.ts'
import { otherRows } from './mutations/images-and-machines.ts'
import { nothing } from './mutations/nothing.ts'
import { packageRows } from './mutations/units.ts'

const same = (before: Texts): Texts => before
const feedOf = (lines: readonly string[] | undefined): { readonly feed?: Feed } =>
  lines === undefined ? {} : { feed: fakeFeed(lines) }

/** Closures found by any row: one that another row's change should have forbidden shows as a key that did not change. */
const known = new Map<string, readonly PackageRecord[]>()

const unchanged = plan(texts, targets, { universe: { known } })

for (const [what, row] of Object.entries({ ...packageRows, ...otherRows, ...nothing })) {
  const { texts: change = same, prepare, feed, universe, changes } = row
  const whose = changes.length > 4 ? `${changes.length} keys` : changes.join(', ')
  test(changes.length === 0 ? `no key depends on ${what}` : `of ${whose}: ${what}`, async () => {
    const before = (await unchanged).hashes
    const asked = targets.map((name) => (change(texts)['images/i.star']?.includes(`"${name}2"`) ? `${name}2` : name))
    const after = (
      await plan(change(texts), asked, {
        ...(prepare === undefined ? {} : { prepare }),
        universe: { known, ...universe },
        ...feedOf(feed),
      })
    ).hashes
    const changed = Object.entries(ids).flatMap(([name, id]) => (after[id] === before[id] ? [] : [name]))
    assert.deepEqual(changed.sort(), [...new Set(changes)].sort())
  })
}

test('every node of the sample is one that rows can name', async () => {
  assert.deepEqual(Object.keys((await unchanged).hashes).sort(), Object.values(ids).sort())
})

test('every field of the model has a row, and every row a field', () => {
  const tables: Readonly<Record<string, object>> = {
    package: policies.packageFields,
    toolchain: policies.toolchainFields,
    image: policies.imageFields,
    machine: policies.machineFields,
    kernel: policies.kernelFields,
    bootloader: policies.bootloaderFields,
    partition: policies.partitionFields,
    user: policies.userFields,
    task: policies.taskFields,
    config: policies.configFields,
  }
  assert.equal(Object.keys(tables).length, Object.keys(policies).length)
  const declared = Object.entries(tables).flatMap(([table, fields]) =>
    Object.keys(fields).map((field) => `${table}.${field}`),
  )
  const rows = [packageRows, otherRows, nothing].flatMap((table) => Object.values(table).flatMap(({ of = [] }) => of))
  assert.deepEqual([...new Set(rows)].sort(), declared.sort())
})
