import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StarlarkError, StarlarkSession } from '../src/index.ts'
import { fileLoader } from './support.ts'

/** What files print, in order, or the error as `file:line:column: kind message`. */
async function run(files: Readonly<Record<string, string>>): Promise<string> {
  const lines: string[] = []
  const session = await StarlarkSession.open()
  const environment = session.environment({ predeclared: { say: ({ args }) => void lines.push(String(args[0])) } })
  try {
    await session.evaluate(['main'], { environment, ...fileLoader(files) })
    return lines.join(' ')
  } catch (failure) {
    if (!(failure instanceof StarlarkError)) throw failure
    const { file, line, column } = failure.position ?? { file: '?', line: 0, column: 0 }
    return `${file}:${line}:${column}: ${failure.kind} ${failure.message}`
  }
}

const other = 'say("other")\n'
const loadsNothing = 'load statement must import at least 1 symbol'

const programs: Readonly<Record<string, readonly [source: string, outcome: string]>> = {
  'a statement of its own': ['load("other")\nsay("main")', 'other main'],
  'no newline behind it': ['load("other")', 'other'],
  'between others on a line, whose positions stay': [
    'say("é"); load("other"); say(1 // 0)',
    'main:1:32: eval floored division by zero',
  ],
  'twice, and with symbols too': ['load("other")\nload("other")\nload("other", "x")\nsay(x)', 'other 1'],
  'room and a comma': ['load  (  # why\n  "other",  # what\n)\nsay("main")', 'other main'],
  'a bracket on the next line': ['load \\\n  ("other")', 'other'],
  'lines that end in CRLF': ['"""x\r\ny"""\r\nload("other")\r\nsay("main")\r\n', 'other main'],
  'lines that end in CR': ['say("a")\rload("other")\rsay("b")', 'other a b'],
  'the same text in a string and in a comment': [
    's = \'load("other")\' # load("other")\nload("other")\nsay(s)',
    'other load("other")',
  ],
  'a name that looks like the keyword': ['l0ad = say\nl0ad("a")\nload("other")', 'other a'],
  'a conditional': ['if True:\n  load("other")', 'main:2:3: resolve load statement within a conditional'],
  'a loop': ['for x in [1]:\n  load("other")', 'main:2:3: resolve load statement within a loop'],
  'a function': ['def f():\n  load("other")', 'main:2:3: resolve load statement within a function'],
  'the result called': ['load("other")("x")', `main:1:5: syntax ${loadsNothing}`],
  'the result used': ['load("other") + 1', `main:1:5: syntax ${loadsNothing}`],
  'an expression': ['x = load("other")', 'main:1:5: syntax got load, want primary expression'],
  'nothing at all': ['load()', 'main:1:7: syntax first operand of load statement must be a string literal'],
  'an error behind it': ['load("other")\nx = = 1', "main:2:5: syntax got '=', want primary expression"],
  'a file that is missing': ['say("main")\nload("gone")', "main:2:6: load can't read gone: no such file"],
  'a file that fails': ['load("bad")', 'bad:1:3: eval floored division by zero'],
  itself: ['load("main")', 'main:1:6: load load cycle: main → main'],
}

for (const [what, [source, outcome]] of Object.entries(programs)) {
  test(`load without symbols: ${what}`, async () => {
    assert.equal(await run({ main: source, other: `x = 1\n${other}`, bad: '1 // 0' }), outcome)
  })
}

test('hundreds of them, and then one of their kind that is none', async () => {
  const many = (count: number): string => 'load("other")\n'.repeat(count)
  assert.equal(await run({ main: many(300), other }), 'other')
  assert.equal(await run({ main: `${many(300)}load("other").x`, other }), `main:301:5: syntax ${loadsNothing}`)
  assert.match(await run({ main: many(3000), other }), /limit main: too many load statements without symbols$/)
})

test('bytecode holds them', async () => {
  const files = fileLoader({ main: 'load("other")\n', other })
  const cache = new Map<string, Uint8Array>()
  for (let count = 0; count < 2; count++) {
    const lines: unknown[] = []
    const session = await StarlarkSession.open()
    const environment = session.environment({ predeclared: { say: ({ args }) => void lines.push(args[0]) } })
    await session.evaluate(['main'], { environment, ...files, cache })
    assert.deepEqual(lines, ['other'])
  }
  assert.equal(cache.size, 2)
})
