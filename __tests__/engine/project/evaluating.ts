import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { userErrors, type YoeError } from '#engine/errors.ts'
import { type Evaluated, evaluateProject } from '#engine/project/evaluate.ts'
import { alpineFeed } from '#feeds/alpine/feed-builtin.ts'
import { aptFeed } from '#feeds/debian/feed-builtin.ts'
import { shippedModules } from '#toolkit/assets.ts'
import { bareProject, type Texts, writeTexts } from '../../support/project.ts'

export interface Outcome {
  readonly evaluated?: Evaluated
  readonly errors: readonly YoeError[]
}

/** Evaluates a project that is written for the occasion; without a PROJECT.star of its own it is a bare one. */
export async function evaluate(
  texts: Texts,
  { machine, prepare }: { readonly machine?: string; readonly prepare?: (root: string) => void } = {},
): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-evaluate-'))
  const root = join(folder, 'project')
  try {
    mkdirSync(root)
    writeTexts(root, { 'PROJECT.star': bareProject, ...texts })
    prepare?.(root)
    return { evaluated: await evaluateAt(root, machine), errors: [] }
  } catch (failure) {
    const errors = userErrors(failure)
    if (errors === undefined) throw failure
    return { errors }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** @param checkout the folder of a module of a repository; without, there are none */
export function evaluateAt(root: string, machine?: string, checkout?: (name: string) => string): Promise<Evaluated> {
  return evaluateProject({
    root,
    machine,
    shippedModules: shippedModules(),
    modules: () => ({
      checkout: async (name) => {
        if (checkout === undefined) throw new Error(`nothing here fetches ${name}`)
        return { root: checkout(name), commit: '1'.repeat(40) }
      },
    }),
    formatBuiltins: { apt_feed: aptFeed, alpine_feed: alpineFeed },
  })
}

/** `file:line: CODE message | hint`, as far as each is there. */
export function shown({ at, code, message, hint }: YoeError): string {
  const where = at === undefined ? '' : `${at.file}:${at.line}: `
  return `${where}${code} ${message}${hint === undefined ? '' : ` | ${hint}`}`
}
