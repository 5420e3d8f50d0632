import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { cleaner, cleanLine, LogFile, neutralise } from '#engine/build/log.ts'

const ESC = '\x1b'

const lines: { name: string; line: string; plain: string; coloured?: string }[] = [
  { name: 'ordinary text stays', line: 'gcc -O2\té 日本 ✓', plain: 'gcc -O2\té 日本 ✓' },
  {
    name: 'colours',
    line: `${ESC}[1;31mred${ESC}[0m x`,
    plain: 'red x',
    coloured: `${ESC}[1;31mred${ESC}[0m x${ESC}[0m`,
  },
  { name: '256 colours', line: `${ESC}[38;5;9mx`, plain: 'x', coloured: `${ESC}[38;5;9mx${ESC}[0m` },
  { name: 'concealed text is shown', line: `${ESC}[8mhidden`, plain: 'hidden', coloured: 'hidden' },
  { name: 'moving about and erasing', line: `ok${ESC}[2J${ESC}[1A${ESC}[2Kgone`, plain: 'okgone', coloured: 'okgone' },
  { name: 'links keep their text', line: `${ESC}]8;;http://evil${ESC}\\text${ESC}]8;;${ESC}\\`, plain: 'text' },
  { name: 'clipboard and title', line: `${ESC}]52;c;aGk=\x07a${ESC}]0;title\x07b`, plain: 'ab' },
  { name: 'a device control string', line: `${ESC}P+q544e${ESC}\\x`, plain: 'x' },
  { name: 'C1 controls', line: '\x9b31mx\x85y', plain: 'x\\x85y' },
  { name: 'overwriting', line: 'evil\rgood\b\b', plain: 'evil\\x0dgood\\x08\\x08' },
  { name: 'bidirectional controls', line: 'a\u202eb\u2066c', plain: 'a\\u{202e}b\\u{2066}c' },
  { name: 'invisible characters', line: 'a\u200bb\ufeffc\u{e0041}', plain: 'a\\u{200b}b\\u{feff}c\\u{e0041}' },
  { name: 'line separators', line: 'a\u2028b\u2029', plain: 'a\\u{2028}b\\u{2029}' },
  { name: 'a lone escape, a NUL, a newline', line: `a\0b\nc${ESC}`, plain: 'a\\x00b\\x0ac\\x1b' },
]
for (const { name, line, plain, coloured } of lines)
  test(`cleanLine: ${name}`, () => {
    assert.equal(cleanLine(line), plain)
    assert.equal(cleanLine(Buffer.from(line)), plain)
    assert.equal(cleanLine(line, true), coloured ?? plain)
  })

test('cleanLine: bytes that are no UTF-8 are replaced', () => {
  assert.equal(cleanLine(Uint8Array.of(0x61, 0xff, 0x62)), 'a\ufffdb')
})

/** What the runner does with a chunk of output: actions/runner, ActionCommand.cs and the handlers' line splitting. */
function obeyed(output: string): string[] {
  // char.IsWhiteSpace of .NET
  const blank = /^[\s\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/
  return output.split(/\r\n|\r|\n/).filter((line) => line.replace(blank, '').startsWith('::') || line.includes('##['))
}

const attacks = ['::set-output name=a::b', '::add-mask::x', '::stop-commands::t', '::error file=a::b', '##[command]x']
const covers = [
  '',
  ' ',
  '\t',
  '\u3000',
  '\u00a0',
  '\x85',
  '\u2003',
  '\u2028',
  'x\r',
  '\x0b',
  `${ESC}[0m`,
  '\ufeff',
  '\u200b',
  '\r\n',
]
test('neutralise: the runner obeys nothing that a build prints', () => {
  for (const attack of attacks)
    for (const cover of covers) {
      let shown = ''
      const lines = cleaner((text) => {
        shown += text.split('\n').map(neutralise).join('\n')
      })
      lines.push(Buffer.from(`${cover}${attack}\nnext${attack}`))
      lines.end()
      assert.deepEqual(obeyed(shown), [], JSON.stringify(cover + attack))
      assert.match(shown, /set-output|add-mask|stop-commands|error|command/)
    }
  assert.ok(obeyed(`x\r${attacks[0]}`).length > 0 && obeyed(`\u3000${attacks[0]}`).length > 0)
})

test('neutralise: text that only looks a little like a command stays', () => {
  for (const line of ['std::string', ' a ::b', '# [x]', '## [x]', ':x', 'http://[::1]/'])
    assert.equal(neutralise(line), line)
})

test('cleaner: whole lines come out however the bytes come in', () => {
  const text = Buffer.from('one\ntwo\r\nthree\rfour é\n\nlast')
  for (let size = 1; size <= text.length; size++) {
    let out = ''
    const lines = cleaner((some) => {
      assert.ok(some.endsWith('\n'))
      out += some
    })
    for (let at = 0; at < text.length; at += size) lines.push(text.subarray(at, at + size))
    lines.end()
    assert.equal(out, 'one\ntwo\nthree\nfour é\n\nlast\n', `in pieces of ${size}`)
  }
})

test('cleaner: an endless line comes out in bounded pieces', () => {
  let longest = 0
  let sum = 0
  const lines = cleaner((text) => {
    for (const line of text.split('\n')) {
      longest = Math.max(longest, line.length)
      sum += line.length
    }
  })
  for (let index = 0; index < 100; index++) lines.push(Buffer.alloc(100_000, 'x'))
  lines.end()
  assert.equal(sum, 10_000_000)
  assert.ok(longest <= 16 * 1024)
})

function scratchFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-log-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'deep', 'unit.log')
}

test('LogFile: a short log is kept as it is', (t) => {
  const log = new LogFile(scratchFile(t), 1000)
  log.write('one\ntwo\n')
  log.write('three\n')
  assert.equal(readFileSync(log.path, 'utf8'), 'one\ntwo\nthree\n')
  assert.deepEqual(log.tail(2), ['two', 'three'])
  log.close()
  assert.equal(readFileSync(log.path, 'utf8'), 'one\ntwo\nthree\n')
  assert.equal(log.dropped, 0)
})

test('LogFile: of a long log head and tail are kept, and what is missing is said', (t) => {
  for (const step of [1, 7, 64, 1000]) {
    const log = new LogFile(scratchFile(t), 200)
    const all = Array.from({ length: 500 }, (_, index) => `line ${index}\n`).join('')
    for (let at = 0; at < all.length; at += step) log.write(all.slice(at, at + step))
    log.close()
    const text = readFileSync(log.path, 'utf8')
    const [head = '', note = '', tail = ''] = text.split(/\n(\[yoe: .*\])\n/)
    assert.equal(head, all.slice(0, 100))
    assert.equal(tail, all.slice(-100))
    assert.equal(note, `[yoe: ${all.length - 200} bytes of this log were dropped here]`)
    assert.deepEqual(log.tail(1), ['line 499'])
  }
})

test('LogFile: a gigabyte leaves memory and disk as they are', (t) => {
  const log = new LogFile(scratchFile(t), 2 ** 20)
  const piece = `${'x'.repeat(1023)}\n`.repeat(1024)
  const before = process.memoryUsage().rss
  for (let index = 0; index < 1024; index++) log.write(piece)
  assert.ok(process.memoryUsage().rss - before < 100 * 2 ** 20)
  log.close()
  assert.ok(statSync(log.path).size < 2 ** 20 + 200)
})

test('LogFile: a disk that is full is told when the log is closed', () => {
  const log = new LogFile(join(mkdtempSync(join(tmpdir(), 'yoe-log-')), 'x.log'), 1000)
  rmSync(join(log.path, '..'), { recursive: true })
  log.write('x'.repeat(3000))
  // The tail is put in order beside the log, where there no longer is a place.
  assert.throws(() => log.close(), { code: 'PERMISSION' })
})
