import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readElf } from '../../../src/engine/qa/elf.ts'
import { elfFile } from './elf-making.ts'

const parse = (file: Buffer): ReturnType<typeof readElf> =>
  readElf(async (offset, length) => {
    assert.ok(length <= 1 << 20, 'no read is larger than a dynamic section may be')
    return offset > file.length ? Buffer.alloc(0) : file.subarray(offset, offset + length)
  })

const plain = {
  wide: true,
  little: true,
  runPath: [],
  textRelocations: false,
  executableStack: false,
  sections: new Set(),
}

describe('readElf', () => {
  for (const wide of [true, false]) {
    for (const little of [true, false]) {
      test(`${wide ? 64 : 32} bit, ${little ? 'little' : 'big'} endian`, async () => {
        const file = elfFile({
          wide,
          little,
          type: 3,
          machine: 8,
          soname: 'libx.so.1',
          needed: ['libc.so.6', 'libm.so.6'],
        })
        assert.deepEqual(await parse(file), {
          ...plain,
          wide,
          little,
          type: 3,
          machine: 8,
          soname: 'libx.so.1',
          needed: ['libc.so.6', 'libm.so.6'],
        })
      })
    }
  }

  const whole = elfFile({ needed: ['libc.so.6'] })
  const changed = (change: (file: Buffer) => void): Buffer => {
    const file = Buffer.from(whole)
    change(file)
    return file
  }
  const nothing: readonly (readonly [string, Buffer])[] = [
    ['text', Buffer.from('#!/bin/sh\n'.repeat(20))],
    ['empty', Buffer.alloc(0)],
    ['only the magic', Buffer.from('\x7fELF', 'latin1')],
    ['cut in the program headers', whole.subarray(0, 100)],
    ['cut in the strings', whole.subarray(0, whole.length - 5)],
    ['unknown class', changed((file) => file.writeUInt8(9, 4))],
    ['65,535 program headers', changed((file) => file.writeUInt16LE(0xffff, 56))],
    ['program headers beyond any file', changed((file) => file.writeBigUInt64LE(2n ** 64n - 1n, 32))],
    ['odd program header size', changed((file) => file.writeUInt16LE(1, 54))],
    ['endless dynamic section', changed((file) => file.writeBigUInt64LE(2n ** 63n, 64 + 56 + 32))],
    ['string beyond the table', changed((file) => file.writeBigUInt64LE(2n ** 40n, 64 + 112 + 8))],
  ]
  for (const [name, file] of nothing) {
    test(`${name} is no ELF file`, async () => assert.equal(await parse(file), undefined))
  }

  test('a static program needs nothing', async () => {
    const file = changed((bytes) => bytes.writeUInt32LE(4, 64 + 56))
    assert.deepEqual(await parse(file), { ...plain, type: 2, machine: 62, needed: [] })
  })

  test('10,000 damaged files: an answer each time, never an exception', async () => {
    let state = 12345
    const random = (below: number): number => {
      state = (state * 1103515245 + 12345) & 0x7fffffff
      return state % below
    }
    for (let round = 0; round < 10_000; round++) {
      const file = Buffer.from(whole)
      for (let hit = 0; hit <= random(4); hit++) file[random(file.length)] = random(256)
      await parse(file.subarray(0, random(8) === 0 ? random(file.length) : file.length))
    }
  })
})
