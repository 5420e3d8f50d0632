import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openKept, sealKept } from '#toolkit/kept.ts'

test('what was kept is read back', () => {
  for (const body of ['', '{}', 'a\nb\n', '\0é😀']) assert.equal(openKept(sealKept(body)), body)
})

test('nothing else is: every flipped character, every cut, anything in front or behind', () => {
  const whole = sealKept('{"a":1}')
  for (let at = 0; at < whole.length; at++) {
    const flipped = whole.slice(0, at) + String.fromCharCode(whole.charCodeAt(at) ^ 1) + whole.slice(at + 1)
    assert.equal(openKept(flipped), undefined)
    assert.equal(openKept(whole.slice(0, at)), undefined)
  }
  for (const other of [`${whole} `, ` ${whole}`, `\n${whole}`, '{}', 'null', '\n'])
    assert.equal(openKept(other), undefined)
})
