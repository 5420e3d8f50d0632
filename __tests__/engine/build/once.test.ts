import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { scratch } from '../../support/project.ts'

interface Builder {
  readonly child: ChildProcessByStdio<Writable, Readable, null>
  /** Waits for the next line that begins so, and gives it back. */
  said(start: string): Promise<string>
}

function builder(t: TestContext, folder: string, name: string, ...more: readonly string[]): Builder {
  const script = join(import.meta.dirname, 'builder-process.ts')
  const child = spawn(
    process.execPath,
    [script, join(folder, name), join(folder, 'cache'), join(folder, 'built'), ...more],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  t.after(() => child.kill('SIGKILL'))
  let text = ''
  let look = (): void => {}
  let gone = (): void => {}
  child.once('exit', () => gone())
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    look()
  })
  return {
    child,
    said: (start) =>
      new Promise((resolve, reject) => {
        gone = () => reject(new Error(`${name} ended before it said ${start}: ${text}`))
        look = () => {
          const found = new RegExp(`^${start}.*\n`, 'm').exec(text)
          if (found === null) return
          text = text.slice(found.index + found[0].length)
          resolve(found[0].trim())
        }
        look()
      }),
  }
}

/** Lets two processes build the same unit at once, round by round; says how often each was built, and by whom. */
async function rounds(t: TestContext, count: number, ...more: readonly string[]) {
  const folder = scratch(t)
  writeFileSync(join(folder, 'built'), '')
  const both = [builder(t, folder, 'one', ...more), builder(t, folder, 'two', ...more)]
  await Promise.all(both.map((each) => each.said('ready')))
  const ends: string[][] = []
  for (let round = 0; round < count; round++) {
    for (const { child } of both) child.stdin.write(`${round}\n`)
    ends.push(await Promise.all(both.map((each) => each.said('done'))))
  }
  for (const { child } of both) child.stdin.end()
  return { built: readFileSync(join(folder, 'built'), 'utf8').trim().split('\n'), ends }
}

test('A9: two processes want one unit, 50 rounds: built once each time, both have the same', async (t) => {
  const { built, ends } = await rounds(t, 50)
  assert.deepEqual(
    built,
    Array.from({ length: 50 }, (_, index) => String(index)),
  )
  for (const both of ends) {
    const sums = both.map((line) => line.split(' ')[2])
    assert.equal(sums[0], sums[1])
    assert.match(sums[0] ?? '', /^[0-9a-f]{64}$/)
  }
})

test('I8: without the lock both build it', async (t) => {
  const { built } = await rounds(t, 8, 'naive')
  assert.ok(built.length > 8, `${built.length}`)
})

test('A10: who waits says for what and who holds it; the death of the holder frees it', async (t) => {
  const folder = scratch(t)
  writeFileSync(join(folder, 'built'), '')
  const [first, second] = [builder(t, folder, 'one'), builder(t, folder, 'two')]
  await Promise.all([first.said('ready'), second.said('ready')])
  first.child.stdin.write('0\n')
  await first.said('building')
  first.child.kill('SIGSTOP')
  second.child.stdin.write('0\n')
  const told = await second.said('told')
  assert.match(
    told,
    new RegExp(`^told waiting for same-0: process ${first.child.pid} on \\S+, since \\d{4}-.* has it$`),
  )
  first.child.kill('SIGKILL')
  assert.match(await second.said('done'), /^done built [0-9a-f]{64} /)
})
