import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseRelation } from '#feeds/alpine/relations.ts'
import { matchesVersion } from '#feeds/alpine/version.ts'
import { publicPem } from '#feeds/keys/rsa.ts'
import { apk2, apk3 } from '../../support/alpine/apk.ts'
import { feedScene, paragraph, testSigner } from './feed-making.ts'

const work = mkdtempSync(join(tmpdir(), 'yoe-apk-oracle-'))
test.after(() => rmSync(work, { recursive: true, force: true }))

const signs = ['<', '>', '=', '~']
/** All that up to three signs can spell. */
const operators = signs.flatMap((a) => [a, ...signs.flatMap((b) => [a + b, ...signs.map((c) => a + b + c)])])
const version = '1.2.7-r3'
const relations = operators.flatMap((operator) =>
  [version, '1.2', '1.20', '1.1', '1.3', '1.2.7_rc1', '1.2.7.1'].map((wanted) => operator + wanted),
)

/** Where the clients disagree: a version that goes on otherwise than the wanted one is near enough for the second only. */
const notToThird = ['~1.2.7_rc1', '<~1.2.7_rc1', '~1.2.7.1', '>~1.2.7.1']

function isMet(relation: string, exceptions: readonly string[]): boolean {
  const wanted = parseRelation(`app${relation}`)?.dependency.version
  if (wanted === undefined) return true
  const said = wanted.relation + wanted.version
  return matchesVersion(version, wanted.relation, wanted.version) && !exceptions.includes(said)
}

const clients = [
  ['apk-tools 2.14.4', apk2, []],
  ['apk-tools 3.0.8', apk3, notToThird],
] as const

for (const [name, apk, exceptions] of clients) {
  test(`whatever the signs of a relation, ${name} reads them so`, async (t) => {
    const root = join(work, name, 'root')
    const keys = join(work, name, 'keys')
    for (const folder of [root, keys]) mkdirSync(folder, { recursive: true })
    writeFileSync(join(keys, 'test.rsa.pub'), publicPem((await testSigner()).key))
    assert.equal((await apk(['add', '--initdb'], { root })).code, 0)
    const scene = await feedScene(t)
    const asking = relations.map((relation, index) => paragraph({ P: `asks-${index}`, V: '1', D: `app${relation}` }))
    await scene.publish([paragraph({ P: 'app', V: version }), ...asking])
    const repositories = [join(scene.mirror, 'v3.19/main')]
    const names = relations.map((_, index) => `asks-${index}`)
    const ran = await apk(['add', '--simulate', '--no-network', ...names], { root, keys, repositories })
    // All that can't be met is told at once.
    const [broken = '', met = ''] = String(ran.stderr).split('satisfies:')
    const told = (text: string) => new Set([...text.matchAll(/asks-(\d+)-1\[/g)].map(([, index]) => Number(index)))
    const [no, yes] = [told(broken), told(met)]
    assert.equal(no.size + yes.size, relations.length, String(ran.stderr).slice(0, 500))
    assert.deepEqual(
      relations.filter((relation, index) => isMet(relation, exceptions) !== yes.has(index)),
      [],
    )
  })
}
