import { existsSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { plainName, unitName } from '#engine/project/names.ts'
import { scaffold } from '#toolkit/scaffold.ts'
import { command } from '../command.ts'

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
  async run({ positionals, values, cwd, output }) {
    const root = resolve(cwd, positionals[0] ?? '.')
    const name = basename(root)
    if (!unitName.pattern.test(name)) {
      throw new YoeError('BAD_NAME', `a project can't be called ${JSON.stringify(name)}`, {
        hint: `use ${unitName.says}`,
      })
    }
    if (existsSync(root) && (await readdir(root)).some((entry) => entry !== '.git')) {
      throw new YoeError('USAGE', `${root} is not empty`, { hint: 'name a new folder' })
    }
    const machine = values.machine ?? 'qemu-x86_64'
    if (!plainName.pattern.test(machine))
      throw new YoeError('BAD_NAME', `a machine can't be called ${JSON.stringify(machine)}`, {
        hint: `use ${plainName.says}`,
      })
    const files = scaffold({ name, machine, workflow: values.ci ? actionsPlaceholder : undefined })
    for (const [path, content] of files) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), content)
    }
    const where = relative(cwd, root) || '.'
    if (output.json) output.printJson({ root, files: files.map(([path]) => path) })
    else {
      output.print(`${where} is a project with ${files.length} files. Next:`)
      output.print(`  cd ${where}`)
      output.print(`  yoe build            builds its image`)
      output.print(`  yoe run --boot-test  boots it and runs its tests`)
      if (values.ci)
        output.print(`In .github/workflows/images.yml, replace OWNER/yoe by the repository that has the actions.`)
    }
    return 0
  },
})
