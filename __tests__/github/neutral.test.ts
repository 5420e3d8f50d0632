import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandData, commandProperty, neutralText } from '#github/neutral.ts'
import { commandLines } from '../support/runner-commands.ts'

/** faults.md H1: how a build may try to talk to the runner. */
const commands = [
  'set-output name=a::b',
  'add-mask::x',
  'stop-commands::tok',
  'add-matcher::m.json',
  'error file=a.c,line=1::bad',
  'group::g',
  'echo::on',
]
const before = [
  '',
  ' ',
  '\t',
  '\u3000',
  '\u00a0',
  '\u2003',
  '\u0085',
  '\ufeff',
  '\u200b',
  '\u00ad',
  '\0',
  '\x1b[31m',
  'progress 10%\r',
  'text\r\n',
  '\u2028',
  ' \x1b[0m\u200b ',
]
const hash = [
  '##[error]x',
  'mid ##[set-output name=a]b',
  '#\u200b#[error]x',
  '##\x1b[0m[error]x',
  '###[group]x',
  '##[command]make',
]

for (const command of commands)
  test(`::${command} is inert after anything that the runner looks past`, () => {
    for (const prefix of before) {
      const text = `${prefix}::${command}`
      assert.deepEqual(commandLines(neutralText(text)), [], JSON.stringify(text))
      assert.notDeepEqual(commandLines(text), [], `the naive log is caught: ${JSON.stringify(text)}`)
    }
  })

test('##[command] is inert anywhere in a line', () => {
  for (const text of hash) {
    assert.deepEqual(commandLines(neutralText(text)), [], JSON.stringify(text))
    // `command` only colours a line.
    if (!text.includes('[command]')) assert.notDeepEqual(commandLines(text), [], `the naive log is caught: ${text}`)
  }
})

for (const [name, text, want] of [
  [
    'ordinary lines stay as they are',
    'cc -c a.c\n  std::vector<int> x; // a::b\n',
    'cc -c a.c\n  std::vector<int> x; // a::b\n',
  ],
  ['colours stay', '\x1b[1;31merror\x1b[0m', '\x1b[1;31merror\x1b[0m'],
  ['a bare CR becomes a line end', '10%\r100%\r\n', '10%\n100%\n'],
  ['the title of a terminal is shown, not set', '\x1b]0;pwned\x07', '\\x1b]0;pwned\\x07'],
  ['the clipboard is left alone', '\x1b]52;c;ZXZpbA==\x1b\\', '\\x1b]52;c;ZXZpbA==\\x1b\\'],
  ['the cursor stays', 'a\x1b[2Ab', 'a\\x1b[2Ab'],
  ['C1 controls and text direction are shown', 'a\x9bb\u202ec', 'a\\x9bb\\x202ec'],
  ['one colon, or colons later, are no command', ':a ::b', ':a ::b'],
] as const)
  test(`neutralText: ${name}`, () => assert.equal(neutralText(text), want))

// faults.md H2
test('nothing but colours reaches a terminal as an escape', () => {
  const evil =
    '\x1b]0;t\x07 \x1b]52;c;eA==\x1b\\ \x1b]8;;http://e\x07 a\rb \x9b2J \x1b[2J \x1b[?1049h \u202e\u2066 \x1bc \x1b[31mred'
  const live = /\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/
  assert.doesNotMatch(neutralText(evil), live)
  assert.match(neutralText(evil), /\x1b\[31mred/)
  assert.match(evil, live, 'the control')
})

test('what we say as a command holds no second one', () => {
  assert.equal(commandData('a%b\r\nc'), 'a%25b%0D%0Ac')
  assert.equal(commandProperty('a:b,c\n'), 'a%3Ab%2Cc%0A')
})
