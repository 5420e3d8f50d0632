import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { removeTree } from '#engine/build/tree.ts'
import { userErrors, type YoeError } from '#engine/errors.ts'
import { silent } from '#engine/events.ts'
import type { PackInput } from '#engine/formats.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { nowhere } from '#engine/qa/package-parts.ts'
import { packageUnit } from './units.ts'

export const at = { file: 'units/app.star', line: 3, column: 1 }

/** A unit with nothing special about it. */
export function unitOf(fields: Partial<PackageUnit> = {}): PackageUnit {
  return packageUnit({ tasks: [{ name: 'build', steps: [], network: false, at }], ...fields })
}

/** Path below a destdir to content. */
export type Files = Readonly<Record<string, string | Buffer>>

/** What tasks would have left in a destdir. */
export async function install(destdir: string, files: Files): Promise<void> {
  await mkdir(destdir, { recursive: true })
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(destdir, path)), { recursive: true })
    await writeFile(join(destdir, path), content)
  }
}

/** What packing `unit` from `destdir` asks for. */
export function packInput(
  destdir: string,
  outdir: string,
  fields: Partial<Omit<PackInput, 'unit'>> & { readonly unit?: Partial<PackageUnit> } = {},
): PackInput {
  const { unit, ...rest } = fields
  return {
    unit: unitOf(unit),
    arch: 'x86_64',
    distro: 'debian',
    destdir,
    outdir,
    runtimeDeps: [],
    libraries: new Map(),
    around: nowhere,
    report: silent,
    maintainer: 'Team <team@example.org>',
    sourceDateEpoch: 1_700_000_000,
    ...rest,
  }
}

/** A folder of its own for one test, gone afterwards whatever its modes. */
export async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-test-'))
  t.after(() => removeTree(folder))
  return folder
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; a non-zero exit is an answer, not an exception. */
export async function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Ran> {
  const options = { env: { ...env, LC_ALL: 'C.UTF-8' }, maxBuffer: 64 << 20, encoding: 'utf8' as const }
  try {
    return { code: 0, ...(await promisify(execFile)(file, [...args], options)) }
  } catch (failure) {
    if (!(failure instanceof Error) || !('code' in failure) || typeof failure.code !== 'number') throw failure
    const text = (key: string): string => String(Reflect.get(failure, key) ?? '')
    return { code: failure.code, stdout: text('stdout'), stderr: text('stderr') }
  }
}

/** The user-facing errors that `work` ends with; [] when it succeeds. Anything else passes through as the bug it is. */
export async function errorsOf(work: Promise<unknown>): Promise<readonly YoeError[]> {
  try {
    await work
    return []
  } catch (failure) {
    const errors = userErrors(failure)
    if (errors === undefined) throw failure
    return errors
  }
}
