import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  compileInterpreter,
  completeLimits,
  type Environment,
  StandardValue,
  StarlarkError,
  StarlarkSession,
  standard,
} from '../src/index.ts'
import { buildInterpreter, existing, packageDirectory, whyNoGo } from './support.ts'

// starlark-go's own tests, from the Go module that the interpreter is built of. They run in a second build of the same
// sources that also has what those tests predeclare (go/conformance.go).
// proto.star is left out: protocol buffers are no part of this package.
const files = [
  ...['assign', 'bool', 'builtins', 'bytes', 'control', 'dict', 'float', 'function', 'int', 'json', 'list', 'math'],
  ...['misc', 'module', 'recursion', 'set', 'string', 'time', 'tuple', 'while'],
]
const chunkCount = 88
const expectationCount = 34

const skip = whyNoGo() ?? false

interface Chunk {
  readonly source: string
  /** Errors that are to happen, by line. */
  readonly expected: ReadonlyMap<number, RegExp>
}

/**
 * Chunks are separated by lines of three dashes, and padded so that their lines keep the numbers of the file. A comment
 * `### "pattern"` expects an error in its line.
 *
 * @see starlark-go internal/chunkedfile
 */
function chunksOf(text: string): Chunk[] {
  let line = 1
  return text.split('\n---\n').map((chunk) => {
    const source = '\n'.repeat(line - 1) + chunk
    const expected = new Map<number, RegExp>()
    for (const each of chunk.split('\n')) {
      const pattern = /###\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`)/.exec(each)
      if (pattern !== null) expected.set(line, new RegExp(pattern[2] ?? JSON.parse(`"${pattern[1]}"`)))
      line++
    }
    line++
    return { source, expected }
  })
}

function environmentFor(session: StarlarkSession, chunk: string): Environment {
  const option = (name: string): boolean => chunk.includes(`option:${name}`)
  return session.environment({
    dialect: {
      set: option('set'),
      while: option('while'),
      topLevelControl: option('toplevelcontrol'),
      globalReassign: option('globalreassign'),
      loadBindsGlobally: option('loadbindsglobally'),
      recursion: option('recursion'),
    },
    predeclared: {
      hasfields: new StandardValue('hasfields'),
      fibonacci: new StandardValue('fibonacci'),
      struct: standard.struct,
    },
  })
}

describe('starlark-go testdata', { skip }, () => {
  let moduleDirectory = ''
  let interpreter: Awaited<ReturnType<typeof compileInterpreter>>

  before(async () => {
    const options = {
      cwd: `${packageDirectory}go`,
      encoding: 'utf8',
      env: { ...process.env, GOTOOLCHAIN: 'local' },
    } as const
    moduleDirectory = execFileSync('go', ['list', '-m', '-f', '{{.Dir}}', 'go.starlark.net'], options).trim()
    const directory = mkdtempSync(join(tmpdir(), 'starlark-wasm-'))
    try {
      const wasm = join(directory, 'conformance.wasm')
      buildInterpreter(wasm, '-tags', 'conformance')
      interpreter = await compileInterpreter(readFileSync(wasm), completeLimits({}))
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  let chunks = 0
  let expectations = 0
  after(() => {
    assert.equal(chunks, chunkCount)
    assert.equal(expectations, expectationCount)
  })

  for (const file of files) {
    test(file, async () => {
      const path = join(moduleDirectory, 'starlark', 'testdata', `${file}.star`)
      for (const chunk of chunksOf(readFileSync(path, 'utf8'))) {
        chunks++
        expectations += chunk.expected.size
        await runChunk(path, chunk)
      }
    })
  }

  async function runChunk(path: string, chunk: Chunk): Promise<void> {
    const session = await StarlarkSession.open({ module: interpreter })
    const found: string[] = []
    const libraries = session.environment({
      predeclared: {
        error: ({ args, position }) => {
          found.push(`line ${position?.line}: ${String(args[0])}`)
        },
        json_: standard.json,
        math_: standard.math,
        ...testValues('catch', 'matches', 'module'),
        _freeze: new StandardValue('freeze'),
        _floateq: new StandardValue('floateq'),
        time_: new StandardValue('time'),
      },
    })
    const sources: Readonly<Record<string, string>> = {
      'assert.star': readFileSync(join(moduleDirectory, 'starlarktest', 'assert.star'), 'utf8'),
      'json.star': 'json = json_',
      'math.star': 'math = math_',
      'time.star': 'time = time_',
    }
    const missing = new Map(chunk.expected)
    try {
      const program = await session.compile(path, chunk.source, environmentFor(session, chunk.source))
      const names = program.loads.map(({ module }) => module)
      const loads = await session.evaluate(names, {
        environment: libraries,
        resolve: (module) => module,
        read: (id) => existing(sources[id]),
      })
      await session.execute(program, { loads })
    } catch (thrown) {
      if (!(thrown instanceof StarlarkError)) throw thrown
      const line = thrown.frames.find((frame) => frame.position?.file === path)?.position?.line ?? 0
      if (missing.get(line)?.test(thrown.message) === true) missing.delete(line)
      else found.push(thrown.backtrace)
    }
    assert.deepEqual(found, [])
    assert.deepEqual([...missing], [], 'errors that did not happen')
  }

  function testValues(...names: string[]): Record<string, StandardValue> {
    return Object.fromEntries(names.map((name) => [name, new StandardValue(name)]))
  }
})
