// What the interpreter costs, next to native starlark-go on the same files in the same run where Go is there.
// Usage: node bench/bench.ts
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  completeLimits,
  type Environment,
  interpreterModule,
  type ProgramCache,
  StarlarkFunction,
  StarlarkSession,
} from '../src/index.ts'

const unitCount = 500
const repetitions = 5

/** Unit files as projects have them: a class, a few calls, tasks, about 780 bytes each. */
function writeProject(directory: string): string[] {
  const classes = Array.from({ length: 5 }, (_, i) => `class${i}.star`)
  for (const file of classes) {
    const body = `def make(name, version, source, deps = [], tasks = [], **kwargs):
    steps = ["./configure --prefix=/usr " + " ".join(["--with-%s" % d for d in deps]), "make -j$NPROC", "make DESTDIR=$DESTDIR install"]
    unit(name = name, version = version, source = source, deps = deps, tasks = [steps] + tasks, **kwargs)
`
    writeFileSync(join(directory, file), body)
  }
  const units = Array.from({ length: unitCount }, (_, i) => `unit${i}.star`)
  units.forEach((file, i) => {
    const body = `load("class${i % 5}.star", "make")

# A library that other units build against. Its options follow the distribution's package.
VERSION = "${i % 7}.${i % 13}.${i % 3}"
FEATURES = {"ssl": True, "zlib": ${i % 2 === 0 ? 'True' : 'False'}, "ipv6": True, "docs": False}

def flags(features):
    return ["--%s-%s" % ("enable" if on else "disable", name) for name, on in features.items()]

make(
    name = "unit${i}",
    version = VERSION,
    source = "https://example.org/releases/unit${i}-%s.tar.xz" % VERSION,
    sha256 = "${i.toString(16).padStart(64, '0')}",
    deps = [${[1, 2, 3].map((d) => `"unit${(i * d) % unitCount}"`).join(', ')}],
    runtime_deps = ["musl", "zlib"],
    license = "MIT",
    description = "Unit number ${i} of the benchmark",
    tasks = [["echo " + flag for flag in flags(FEATURES)]],
)
`
    writeFileSync(join(directory, file), body)
  })
  return units
}

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** The best of several: what else the machine does only ever adds. */
async function repeat(work: () => Promise<number>): Promise<number> {
  const values: number[] = []
  for (let i = 0; i < repetitions; i++) values.push(await work())
  return Math.min(...values)
}

const rows: { what: string; here: number; native: number | undefined; unit: 'ms' | 'µs' }[] = []
const directory = mkdtempSync(join(tmpdir(), 'starlark-bench-'))
try {
  const units = writeProject(directory)
  const native = runNative(directory)

  // The very first use of the process: nothing of it can be repeated here.
  const compile = await timed(() => interpreterModule(completeLimits({})))
  const start = await timed(() => StarlarkSession.open())
  rows.push({ what: 'compile the interpreter, first', here: compile, native: undefined, unit: 'ms' })
  rows.push({ what: 'start a session, first', here: start, native: undefined, unit: 'ms' })
  rows.push({
    what: 'start a session, again',
    here: await repeat(() => timed(() => StarlarkSession.open())),
    native: undefined,
    unit: 'ms',
  })

  const declare = (session: StarlarkSession): Environment => session.environment({ predeclared: { unit: () => null } })
  const evaluate = (session: StarlarkSession, cache?: ProgramCache) =>
    timed(() =>
      session.evaluate(units, {
        environment: declare(session),
        resolve: (module) => module,
        read: (id) => readFile(join(directory, id)),
        cache,
      }),
    )
  const first = await evaluate(await StarlarkSession.open())
  rows.push({ what: `evaluate ${unitCount} files, first`, here: first, native: native?.First, unit: 'ms' })
  const warm = await StarlarkSession.open()
  await evaluate(warm)
  rows.push({
    what: 'again in the same session',
    here: await repeat(() => evaluate(warm)),
    native: native?.Again,
    unit: 'ms',
  })
  const cache = new Map<string, Uint8Array>()
  await evaluate(warm, cache)
  const fresh = () => StarlarkSession.open().then((session) => evaluate(session, cache))
  rows.push({ what: 'in a new session, from bytecode', here: await repeat(fresh), native: native?.First, unit: 'ms' })
  rows.push({
    what: 'in the same session, from bytecode',
    here: await repeat(() => evaluate(warm, cache)),
    native: native?.Again,
    unit: 'ms',
  })

  await benchCalls(native)
  const { memoryBytes } = warm.usage
  print(
    `\nWebAssembly memory after all that: ${(memoryBytes / 2 ** 20).toFixed(0)} MiB; whole process: ${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB`,
  )
} finally {
  rmSync(directory, { recursive: true })
}

async function benchCalls(native: Native | undefined): Promise<void> {
  const count = 50_000
  const session = await StarlarkSession.open()
  let calls = 0
  const environment = session.environment({
    predeclared: {
      unit: ({ kwargs }) => {
        calls += kwargs.size
        return null
      },
      later: async () => null,
    },
  })
  const source = `
def twelve(n):
    for i in range(n):
        unit(name = "a", version = "1", a = i, b = True, c = [1, 2], d = "d", e = "e", f = "f", g = "g", h = "h", i = "i", j = "j")
def none(n):
    for i in range(n): unit()
def await_(n):
    for i in range(n): later()
def nothing(): pass
`
  const module = await session.execute(await session.compile('calls', source, environment))
  const f = (name: string): StarlarkFunction => {
    const value = module.get(name)
    if (!(value instanceof StarlarkFunction)) throw new TypeError(name)
    return value
  }
  const perCall = (name: string): Promise<number> =>
    repeat(async () => ((await timed(() => f(name).call([count]))) * 1000) / count)
  rows.push({
    what: 'builtin with 12 keyword arguments',
    here: await perCall('twelve'),
    native: native?.Call,
    unit: 'µs',
  })
  rows.push({ what: 'builtin without arguments', here: await perCall('none'), native: undefined, unit: 'µs' })
  rows.push({ what: 'builtin that is awaited', here: await perCall('await_'), native: undefined, unit: 'µs' })
  const nothing = f('nothing')
  const fromHere = async () => {
    for (let i = 0; i < count; i++) await nothing.call()
  }
  rows.push({
    what: 'Starlark function from TypeScript',
    here: await repeat(async () => ((await timed(fromHere)) * 1000) / count),
    native: undefined,
    unit: 'µs',
  })
  if (calls === 0) throw new Error('no builtin was called')
}

interface Native {
  readonly First: number
  readonly Again: number
  readonly Call: number
}

function runNative(files: string): Native | undefined {
  const cwd = new URL('../go/', import.meta.url)
  const { status, stdout } = spawnSync('go', ['run', './peer', files], { cwd, encoding: 'utf8' })
  if (status !== 0) return undefined
  const { First, Again, Call }: Native = JSON.parse(stdout)
  return { First, Again, Call }
}

function print(text: string): void {
  const width = Math.max(36, ...rows.map(({ what }) => what.length))
  const number = (value: number | undefined): string =>
    (value === undefined ? '-' : value.toFixed(value < 20 ? 2 : 0)).padStart(9)
  console.log(
    `${'best of 5, where it can be repeated'.padEnd(width)}${'here'.padStart(12)}${'native Go'.padStart(12)}${'ratio'.padStart(8)}`,
  )
  for (const { what, here, native, unit } of rows) {
    const ratio = native === undefined ? '' : `${(here / native).toFixed(1)}x`.padStart(8)
    console.log(
      `${what.padEnd(width)}${number(here)} ${unit}${number(native)} ${native === undefined ? '  ' : unit}${ratio}`,
    )
  }
  const size = readFileSync(new URL('../starlark.wasm', import.meta.url)).length
  console.log(`${text}; starlark.wasm: ${(size / 2 ** 20).toFixed(1)} MiB`)
}
