import assert from 'node:assert/strict'
import { test } from 'node:test'
import { indentAt, listText, setArgument } from '#toolkit/dev/star-edit.ts'

const file = `load("x", "autotools")
autotools(
    name = "a",  # it's, "x" = (
    version = "1",
    source = "https://x/(y).tar", tag = 'v1',
    patches = ["a/0001-x.patch", "b"],
    deps = ["x"]
)
unit(name = "b", version = "1")
[unit(name = n, version = "1", tag = T + "x") for n in ("c", "d")]
unit(
    name = "e",
    version = "1",
    patches = [
        # Sent upstream.
        "e/1.patch",
    ],
    tag = """v1""",
)
`
const a = { line: 2, column: 10 }
const b = { line: 9, column: 5 }
const c = { line: 10, column: 6 }
const e = { line: 11, column: 5 }

const rows: Readonly<
  Record<
    string,
    readonly [at: typeof a, name: string, value: string | undefined, changed: readonly [string, string] | undefined]
  >
> = {
  'a text takes the place of another': [a, 'tag', '"v2"', [`tag = 'v1'`, 'tag = "v2"']],
  'a list takes the place of another': [a, 'patches', '["z"]', ['["a/0001-x.patch", "b"]', '["z"]']],
  'an argument goes, with its line': [a, 'patches', undefined, ['\n    patches = ["a/0001-x.patch", "b"],', '']],
  'one that is not there can’t go': [b, 'patches', undefined, ['', '']],
  'a new one follows the last, which had no comma': [a, 'new', '1', ['deps = ["x"]\n', 'deps = ["x"],\n    new = 1\n']],
  'a new one on one line': [b, 'tag', '"v1"', ['"b", version = "1")', '"b", version = "1", tag = "v1")']],
  'an expression is its author’s': [c, 'tag', '"v2"', undefined],
  'so is a list with a comment in it': [e, 'patches', '[]', undefined],
  'and a text in triple quotes': [e, 'tag', '"v2"', undefined],
  'a new one after the last, with a comma': [e, 'x', '1', ['tag = """v1""",\n', 'tag = """v1""",\n    x = 1,\n']],
  'no call there': [{ line: 1, column: 20 }, 'x', '1', undefined],
  'no such line': [{ line: 99, column: 1 }, 'x', '1', undefined],
}

for (const [name, [at, argument, value, change]] of Object.entries(rows)) {
  test(name, () => {
    const want = change === undefined ? undefined : file.replace(change[0], () => change[1])
    assert.equal(setArgument(file, at, argument, value), want)
  })
}

test('lists are indented as the call is', () => {
  assert.equal(indentAt(file, a), '    ')
  assert.equal(listText(['a'], '    '), '["a"]')
  assert.equal(listText(['a', 'b'], '    '), '[\n        "a",\n        "b",\n    ]')
})
