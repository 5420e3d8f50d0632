import assert from 'node:assert/strict'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateCacheKey } from '#engine/store/signing.ts'
import type { Texts } from '../../support/project.ts'
import { evaluate, shown } from './evaluating.ts'

const one = generateCacheKey().publicKey
const two = generateCacheKey().publicKey

const project = (signing: string): string => `project(\n  name = "demo",\n  cache = cache(signing = ${signing}),\n)\n`

const named: Readonly<Record<string, readonly [signing: string, texts: Texts, want: readonly string[]]>> = {
  'a key': [JSON.stringify(one), {}, [`${one} PROJECT.star:3`]],
  'a file': [
    '"keys/cache.pub"',
    { 'keys/cache.pub': `# ours\n${one} until=2026-05-01\n${two}\n` },
    [`${one} keys/cache.pub:2 until 2026-05-01`, `${two} keys/cache.pub:3`],
  ],
  'keys and files': [`["${one} revoked", "//k"]`, { k: two }, [`${one} PROJECT.star:3 revoked`, `${two} k:1`]],
}
for (const [what, [signing, texts, want]] of Object.entries(named)) {
  test(`cache(signing): ${what}`, async () => {
    const { evaluated, errors } = await evaluate({ 'PROJECT.star': project(signing), ...texts })
    assert.deepEqual(errors.map(shown), [])
    assert.deepEqual(
      evaluated?.project.cache.signing?.map(
        ({ publicKey, at, until, revoked }) =>
          `${publicKey} ${at.file}:${at.line}${until === undefined ? '' : ` until ${until}`}${revoked === true ? ' revoked' : ''}`,
      ),
      want,
    )
  })
}

const refused: Readonly<Record<string, readonly [signing: string, texts: Texts, want: readonly RegExp[]]>> = {
  'no file': ['"keys/cache.pub"', {}, [/^PROJECT\.star:3: BAD_FIELD cache\(\): there is no file keys\/cache\.pub/]],
  'a folder': ['"keys"', { 'keys/x': '' }, [/^PROJECT\.star:3: BAD_FIELD .* is a folder/]],
  'a file elsewhere': ['"../cache.pub"', {}, [/^PROJECT\.star:3: BAD_FIELD .*leads out of the project/]],
  'an absolute path': ['"/etc/passwd"', {}, [/^PROJECT\.star:3: BAD_FIELD .*leads out of the project/]],
  'lines that are no keys': [
    '"k"',
    { k: `${one}\nx\n\n${two} forever\n` },
    [/^k:2: KEY_INVALID "x" is not/, /^k:4: KEY_INVALID "forever" says nothing about a key \| .*until=/],
  ],
  'a text that is no key': [JSON.stringify(one.slice(0, -4)), {}, [/^PROJECT\.star:3: KEY_INVALID/]],
  'a private key': [
    JSON.stringify(generateCacheKey().privateKey),
    {},
    [/^PROJECT\.star:3: KEY_INVALID this is a private key, which a project must not have \| take it out/],
  ],
  nothing: ['[]', {}, [/^PROJECT\.star:3: BAD_FIELD cache\(\): signing must not be empty/]],
  'a number': ['7', {}, [/^PROJECT\.star:3: BAD_FIELD cache\(\): signing must be a string, not/]],
  'one key, said to be two things': [
    `["${one}", "k"]`,
    { k: `${one} revoked` },
    [/^k:1: DUPLICATE key .* is named twice/],
  ],
}
for (const [what, [signing, texts, want]] of Object.entries(refused)) {
  test(`cache(signing): ${what} is refused`, async () => {
    const { errors } = await evaluate({ 'PROJECT.star': project(signing), ...texts })
    assert.equal(errors.length, want.length, errors.map(shown).join('\n'))
    for (const [index, pattern] of want.entries()) assert.match(errors.map(shown)[index] ?? '', pattern)
  })
}

test('cache(signing): a link that leads out of the project is refused', async () => {
  const { errors } = await evaluate(
    { 'PROJECT.star': project('"k"') },
    {
      prepare: (root) => {
        writeFileSync(join(root, '..', 'outside'), one)
        symlinkSync('../outside', join(root, 'k'))
      },
    },
  )
  assert.match(errors.map(shown).join(), /^PROJECT\.star:3: BAD_FIELD/)
})
