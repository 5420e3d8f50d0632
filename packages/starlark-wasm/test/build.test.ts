import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildInterpreter, packageDirectory, whyNoGo } from './support.ts'

test('starlark.wasm is what go/ builds to, byte by byte', { skip: whyNoGo() ?? false }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'starlark-wasm-'))
  try {
    const rebuilt = join(directory, 'starlark.wasm')
    buildInterpreter(rebuilt)
    const same = readFileSync(rebuilt).equals(readFileSync(`${packageDirectory}starlark.wasm`))
    assert.ok(same, 'the sources changed: run "npm run build" and commit starlark.wasm')
  } finally {
    rmSync(directory, { recursive: true })
  }
})
