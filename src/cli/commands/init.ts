import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { plainName, unitName } from '#engine/project/names.ts'
import { checkScaffold, scaffold } from '#toolkit/scaffold.ts'
import { command } from '../command.ts'

/** What a new repository of a hosting service may have already: it stays as it is. */
const ofHost = /^(\.git|\.gitignore|\.gitattributes|README(\.\w+)?|LICEN[SC]E(\.\w+)?|COPYING)$/i

/** Where the actions are is for the user to say. */
const actionsPlaceholder = { repository: 'OWNER/yoe', ref: 'v1' } as const

export const init = command({
  usage: 'init DIR [--machine NAME] [--ci]',
  summary: 'make a new project',
  details: `Makes a project that builds as it stands: a program of its own as a service, in an image that boots.

  yoe init my-product
  yoe init my-product --machine qemu-arm64 --ci

--ci adds .github/workflows/images.yml, in which OWNER/yoe stands for the repository that has the actions.`,
  options: {
    machine: { type: 'string', value: 'NAME', help: 'the default machine (default: qemu-x86_64)' },
    ci: { type: 'boolean', help: 'add a GitHub Actions workflow' },
  },
  positionals: [1, 1],
  completes: ['file'],
  async run({ positionals, values, cwd, output, env, report, signal }) {
    const root = resolve(cwd, positionals[0] ?? '.')
    const name = basename(root)
    if (!unitName.pattern.test(name)) {
      throw new YoeError('BAD_NAME', `a project can't be called ${JSON.stringify(name)}`, {
        hint: `use ${unitName.says}`,
      })
    }
    const there = existsSync(root) ? await readdir(root) : []
    const foreign = there.find((entry) => !ofHost.test(entry))
    if (foreign !== undefined) {
      throw new YoeError('USAGE', `${root} is not empty: it has ${JSON.stringify(foreign)}`, {
        hint: 'name a new folder, or the fresh clone of a new repository',
      })
    }
    const machine = values.machine ?? 'qemu-x86_64'
    if (!plainName.pattern.test(machine))
      throw new YoeError('BAD_NAME', `a machine can't be called ${JSON.stringify(machine)}`, {
        hint: `use ${plainName.says}`,
      })
    const files = scaffold({ name, machine, workflow: values.ci ? actionsPlaceholder : undefined })
    await checkScaffold(files, { env, report, signal })
    const written: string[] = []
    for (const [path, content] of files) {
      if (await writeNew(join(root, path), content)) written.push(path)
    }
    const where = relative(cwd, root) || '.'
    if (output.json) output.printJson({ root, files: written })
    else {
      output.print(`${where} is a project with ${written.length} new files. Next:`)
      output.print(`  cd ${where}`)
      output.print(`  yoe build            builds its image`)
      output.print(`  yoe run --boot-test  boots it and runs its tests`)
      if (values.ci)
        output.print(`In .github/workflows/images.yml, replace OWNER/yoe by the repository that has the actions.`)
    }
    return 0
  },
})

/** Writes a file that is not there; what it ignores is added to a `.gitignore` that is. @returns whether it wrote */
async function writeNew(path: string, content: string): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true })
  if (!existsSync(path)) {
    await writeFile(path, content)
    return true
  }
  if (basename(path) !== '.gitignore') return false
  const old = await readFile(path, 'utf8')
  const known = new Set(old.split(/\r?\n/))
  const missing = content.split('\n').filter((line) => line !== '' && !known.has(line))
  if (missing.length === 0) return false
  await writeFile(path, `${old}${old === '' || old.endsWith('\n') ? '' : '\n'}${missing.join('\n')}\n`)
  return true
}
