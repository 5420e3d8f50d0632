import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StarlarkSession } from 'starlark-wasm'
import { userErrors } from '#engine/errors.ts'
import { type Literal, parseAssignments, printLiteral } from '#toolkit/local/syntax.ts'

/** Texts that are read, by what they show. Starlark itself says what they mean. */
const texts: Readonly<Record<string, string>> = {
  nothing: '',
  'comments alone': '# one\n\n  # two\n',
  'every kind of value': 'a = "x"\nb = 12\nc = True\nd = False\ne = ["x", 1]\nf = {"k": "v"}\ng = -7\nh = 0\n',
  'quotes of both kinds': `a = 'it\\'s'\nb = "say \\"hi\\""\nc = 'a"b'\nd = ""\ne = ''\n`,
  'raw texts': `a = r"\\d+\\."\nb = r'x\\'y'\n`,
  escapes: 'a = "\\\\ \\a\\b\\f\\n\\r\\t\\v \\x41 \\u00e9 \\U0001f600"\n',
  'no newline at the end': 'a = 1',
  'CRLF and lone CR': 'a = 1\r\nb = [\r\n  "x",\r\n]\r\n',
  'a list over several lines, with comments': 'a = [\n  "x",  # first\n\n  # none\n  "y",\n]  # end\n',
  'a nested value': 'a = {"x": [1, {"y": [True]}], "z": []}\n',
  'trailing commas, or none': 'a = [1, 2,]\nb = {"x": 1,}\nc = []\nd = {}\n',
  "JavaScript's own names": 'a = {"__proto__": "x", "constructor": "y"}\n__proto__ = 1\nconstructor = 2\n',
  'text beyond ASCII': 'a = "Grüße 💾"  # ß\n',
  'space around': 'a   =\t"x" \nb="y"\n',
}

/** Texts that are refused: the line, and the beginning of what is said. */
const refused: Readonly<Record<string, readonly [string, number, string]>> = {
  'a call': ['a = 1\nb = f("x")\n', 2, '"f" is no plain value'],
  'a name': ['a = 1\nb = a\n', 2, '"a" is no plain value'],
  None: ['a = None\n', 1, '"None" is no plain value'],
  'a sum': ['a = 1 + 1\n', 1, 'only one setting may stand on a line'],
  'two on a line': ['a = 1; b = 2\n', 1, 'only one setting may stand on a line'],
  'a load': ['\n\nload("x.star", "y")\n', 3, 'only settings such as'],
  'a comparison': ['a == 1\n', 1, 'only settings such as'],
  'an indented line': ['a = 1\n  b = 2\n', 2, 'a setting begins its line'],
  'no value': ['a =\nb = 2\n', 1, 'a plain value'],
  'a value on the next line': ['a = \\\n1\n', 1, 'a plain value'],
  'an open text': ['a = "x\nb = "y"\n', 1, 'this text has no closing quote'],
  'an open list': ['a = ["x"\nb = 1\n', 2, 'a "," or "]" is missing'],
  'an open dict': ['a = {"x": 1\n', 2, 'a "," or "}" is missing'],
  'no colon': ['a = {"x" 1}\n', 1, 'a ":" is missing'],
  'a number as key': ['a = {1: 2}\n', 1, 'a plain value'],
  'a key twice': ['a = {"x": 1,\n "x": 2}\n', 2, '"x" stands in this dict twice'],
  'a float': ['a = 1.5\n', 1, 'a plain value'],
  'a number beyond any': ['a = 99999999999999999999\n', 1, 'a plain value'],
  'an octal number': ['a = 0o17\n', 1, 'a plain value'],
  'three quotes': ['a = """x"""\n', 1, 'text in triple quotes'],
  bytes: ['a = b"x"\n', 1, 'a plain value'],
  'an unknown escape': ['a = "\\q"\n', 1, '"\\q" stands for no character'],
  'half a character': ['a = "\\ud800"\n', 1, '"\\ud800" stands for no character'],
  'no end of nesting': [`a = ${'['.repeat(30)}\n`, 1, 'this is nested too deeply'],
}

describe('local.star is read as Starlark reads it', () => {
  for (const [what, text] of Object.entries(texts)) {
    it(what, async () => {
      const { assignments } = parseAssignments('local.star', text)
      const session = await StarlarkSession.open()
      const program = await session.compile('local.star', text.replaceAll(/\r(?!\n)/g, '\n'), session.environment())
      const module = await session.execute(program)
      assert.deepEqual(new Map(assignments.map(({ name, value }) => [name, value])), globals(module))
      const printed = assignments.map(({ name, value }) => `${name} = ${printLiteral(value)}`).join('\n')
      const again = parseAssignments('local.star', printed).assignments
      assert.deepEqual(again.map(nameAndValue), assignments.map(nameAndValue), 'and printed so that it is read again')
    })
  }
})

describe('what is no plain setting is refused at its line', () => {
  for (const [what, [text, line, message]] of Object.entries(refused)) {
    it(what, () => {
      assert.throws(
        () => parseAssignments('local.star', text),
        (failure: unknown) => {
          const [error] = userErrors(failure) ?? []
          assert.equal(error?.code, 'STAR_SYNTAX')
          assert.equal(error.at?.line, line, error.message)
          assert.ok(error.message.startsWith(message), error.message)
          return true
        },
      )
    })
  }
})

it('comments go with the setting below or before them; others are loose', () => {
  const text = '# header\n\n# about a\n# more\na = 1  # beside\n# at the end\n'
  assert.deepEqual(parseAssignments('local.star', text), {
    assignments: [
      {
        name: 'a',
        value: 1,
        at: { file: 'local.star', line: 5, column: 1 },
        above: ['# about a', '# more'],
        beside: '# beside',
      },
    ],
    loose: ['# header', '# at the end'],
  })
})

const nameAndValue = ({ name, value }: { name: string; value: Literal }): unknown => [name, value]

function globals(module: { readonly names: readonly string[]; get(name: string): unknown }): Map<string, unknown> {
  return new Map(module.names.map((name) => [name, module.get(name)]))
}
