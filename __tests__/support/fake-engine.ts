/**
 * The smallest engine that the actions can't tell from the real one: units are text files (`units/<name>.txt`, first
 * line the names of their dependencies), built by copying, kept in the remote store by their hash, checked when read
 * back. `FAIL` in a text makes its build fail. For tests of what is around the engine: quick, and offline.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BootReport } from '#bsp/boot-report.ts'
import { YoeError } from '#engine/errors.ts'
import type { CellReport, CellRequest, Engine, UnitReport } from '#github/engine-port.ts'

interface FakeUnit {
  readonly name: string
  readonly deps: readonly string[]
  readonly text: string
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

async function unitsOf(projectDir: string): Promise<readonly FakeUnit[]> {
  const names = (await readdir(join(projectDir, 'units'))).filter((name) => name.endsWith('.txt')).sort()
  const units = await Promise.all(
    names.map(async (file) => {
      const text = await readFile(join(projectDir, 'units', file), 'utf8')
      const deps = (text.split('\n')[0] ?? '').split(' ').filter((dep) => dep !== '')
      return { name: file.replace(/\.txt$/, ''), deps, text }
    }),
  )
  const sorted: FakeUnit[] = []
  const visit = (unit: FakeUnit): void => {
    if (sorted.includes(unit)) return
    for (const dep of units.filter(({ name }) => unit.deps.includes(name))) visit(dep)
    sorted.push(unit)
  }
  for (const unit of units) visit(unit)
  return sorted
}

async function runCell(request: CellRequest): Promise<CellReport> {
  const { projectDir, cell, remote, report, through } = request
  const [machine = '', image = ''] = cell.split('/')
  const units = await unitsOf(projectDir)
  const hashes = new Map<string, string>()
  const reports: UnitReport[] = []
  let failure: YoeError | undefined
  const one = async (unit: FakeUnit): Promise<void> => {
    const { name, deps, text } = unit
    const hash = sha256(JSON.stringify([name, text, deps.map((dep) => hashes.get(dep))]))
    hashes.set(name, hash)
    const entry = `units/x86_64/${hash}`
    const content = await remote?.get(entry, (path) => readFile(path, 'utf8'))
    const hit = content === `${hash}\n${text}`
    if (hit) {
      report({ type: 'unit-ended', unit: name, outcome: 'restored', ms: 1 })
      reports.push({ name, outcome: 'restored', why: '', ms: 1 })
      return
    }
    const why = content === undefined ? 'never built' : 'the cache entry is not ours'
    report({ type: 'unit-started', unit: name, title: name, why, log: '' })
    report({ type: 'unit-output', unit: name, text: `making ${name}\n::error::not from us\n` })
    const at = {
      file: `units/${name}.txt`,
      line: text.split('\n').findIndex((line) => line.includes('FAIL')) + 1,
      column: 1,
    }
    if (text.includes('FAIL')) {
      failure = new YoeError('TASK_FAILED', 'the task build exited with 1', {
        unit: name,
        at,
        hint: `remove FAIL from ${at.file}`,
      })
      report({ type: 'unit-output', unit: name, text: 'cc: FAIL found\n' })
      report({ type: 'unit-ended', unit: name, outcome: 'failed', ms: 5, error: failure })
      return
    }
    await remote?.put(entry, (path) => writeFile(path, `${hash}\n${text}`))
    report({ type: 'unit-ended', unit: name, outcome: 'built', ms: 5 })
    reports.push({ name, outcome: 'built', why, ms: 5, at: { ...at, line: 1 } })
  }
  for (const unit of units) if (!unit.deps.some((dep) => !reports.some(({ name }) => name === dep))) await one(unit)
  if (failure !== undefined) throw failure
  const base = { cell, machine, image, distro: 'debian', arch: 'x86_64', units: reports } as const
  const out = join(projectDir, 'build')
  await mkdir(join(out, 'feed', 'pool'), { recursive: true })
  for (const unit of units) await writeFile(join(out, 'feed', 'pool', `${unit.name}.deb`), unit.text)
  const feed = { feedDir: join(out, 'feed'), throwawayKey: true }
  if (through === 'units') return { ...base, ...feed }
  const disk = units.map(({ text }) => text).join('')
  const path = join(out, `${image}.img`)
  await writeFile(path, disk)
  const packages = units.map(({ name, text }) => ({ name, version: String(text.length), size: text.length }))
  const made = {
    ...base,
    ...feed,
    disk: { path, sha256: sha256(disk), size: disk.length },
    packages,
  }
  if (through === 'image') return made
  const serialLog = join(out, 'serial.log')
  await writeFile(serialLog, 'login:\n')
  const ok = !disk.includes('HANG')
  const boot: BootReport = {
    ...{ image, machine, arch: 'x86_64', ok, acceleration: 'tcg', checks: [], serialLog, ms: 200 },
    stages: [{ name: 'kernel', ms: 100 }],
    ...(ok ? {} : { reason: 'no login prompt' }),
  }
  return { ...made, boot }
}

export async function openEngine(): Promise<Engine> {
  return {
    find: async ({ cells }) =>
      cells.map((cell) => {
        const [machine = '', image = ''] = cell.split('/')
        if (machine === 'none') throw new YoeError('USAGE', `no cell matches "${cell}"`)
        return { cell, machine, image, distro: 'debian', arch: 'x86_64' }
      }),
    plan: async ({ projectDir }) => {
      const inputs = ['units']
      await unitsOf(projectDir)
      return { cells: [{ cell: 'box/base', machine: 'box', image: 'base', distro: 'debian', arch: 'x86_64', inputs }] }
    },
    runCell,
    publish: async ({ feeds, to, signingKey }) => {
      const files = await Promise.all(feeds.map((feed) => readdir(join(feed, 'pool'))))
      const packages = files.flat().sort()
      await writeFile(join(to, 'Packages'), `${packages.join('\n')}\n`)
      if (signingKey === undefined) throw new YoeError('KEY_INVALID', 'no key')
      return {
        dir: to,
        packages: packages.length,
        feeds: [
          {
            ...{ distro: 'debian', tool: 'apt-get', packages: packages.length, keyring: 'widgets.gpg' },
            ...{ keyFingerprint: sha256(signingKey).slice(0, 8), install: 'apt update' },
          },
        ],
      }
    },
  }
}
