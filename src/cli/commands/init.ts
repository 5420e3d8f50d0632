import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import { plainName, unitName } from '#engine/project/names.ts'
import {
  type ActionsSource,
  actionsPlaceholder,
  isPinned,
  parseActionsSource,
  releasedActions,
} from '#toolkit/release.ts'
import { checkScaffold, isNewDistro, newDistros, scaffold } from '#toolkit/scaffold.ts'
import { repositoryOf, workflowFiles } from '#toolkit/workflow.ts'
import { command } from '../command.ts'
import { shown } from '../shown.ts'

/** What a new repository of a hosting service may have already: it stays as it is. */
const ofHost = /^(\.git|\.gitignore|\.gitattributes|README(\.\w+)?|LICEN[SC]E(\.\w+)?|COPYING)$/i

export const init = command({
  usage: 'init DIR [--distro NAME] [--machine NAME] [--ci]',
  summary: 'make a new project',
  details: `Makes a project that builds as it stands: a program of its own as a service, in an image that boots.

  yoe init my-product
  yoe init my-product --distro alpine
  yoe init my-product --machine qemu-arm64 --ci
  yoe init . --ci         adds the workflows to a project that is there

--ci adds .github/workflows/images.yml, which builds what a change affects and publishes every night, and board.yml, which
builds what is asked for in the Actions tab. Actions stand in them by commit: those of the release that this yoe is.`,
  options: {
    distro: { type: 'string', value: 'NAME', completes: newDistros, help: 'debian (default) or alpine' },
    machine: { type: 'string', value: 'NAME', help: 'the default machine (default: qemu-x86_64)' },
    ci: { type: 'boolean', help: 'add GitHub Actions workflows' },
    'ci-short': { type: 'boolean', help: 'add them, with images.yml calling the reusable workflow' },
    actions: { type: 'string', value: 'OWNER/REPO@COMMIT', help: 'where the actions are (default: as released)' },
  },
  positionals: [1, 1],
  completes: ['file'],
  async run({ positionals, values, cwd, output, env, report, signal }) {
    const root = resolve(cwd, positionals[0] ?? '.')
    const actions = actionsOf(values)
    const isProject = existsSync(join(root, 'PROJECT.star'))
    const files: (readonly [string, string])[] = []
    if (!isProject || actions === undefined) {
      files.push(...(await newProject(root, values.machine ?? 'qemu-x86_64', values.distro ?? 'debian')))
      await checkScaffold(files, { env, report, signal })
    }
    if (actions !== undefined) {
      const repository = repositoryOf(root)
      const project = relative(repository, root) || '.'
      for (const [path, content] of workflowFiles({ actions, project, short: values['ci-short'] }))
        files.push([relative(root, join(repository, path)), content])
    }
    const written: string[] = []
    for (const [path, content] of files) {
      if (await writeNew(join(root, path), content)) written.push(path)
      else if (isProject) report({ type: 'notice', message: `${path} is there already and stays as it is` })
    }
    const where = relative(cwd, root) || '.'
    if (output.json) output.printJson({ root, files: written, ...(actions === undefined ? {} : { actions }) })
    else {
      if (isProject) for (const path of written) output.print(`wrote ${path}`)
      else {
        output.print(`${where} is a project with ${written.length} new files. Next:`)
        output.print(`  cd ${where}`)
        output.print(`  yoe build            builds its image`)
        output.print(`  yoe run --boot-test  boots it and runs its tests`)
      }
      if (actions !== undefined) output.print(pinnedAt(actions))
    }
    return 0
  },
})

/** The files of a new project, where there is room for one. @throws {YoeError} BAD_NAME, USAGE */
async function newProject(
  root: string,
  machine: string,
  distro: string,
): Promise<readonly (readonly [string, string])[]> {
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
  if (!plainName.pattern.test(machine))
    throw new YoeError('BAD_NAME', `a machine can't be called ${JSON.stringify(machine)}`, {
      hint: `use ${plainName.says}`,
    })
  if (!isNewDistro(distro))
    throw new YoeError('USAGE', `there is no new project for ${shown(distro)}`, {
      hint: didYouMean(distro, newDistros) ?? `there are: ${newDistros.join(', ')}`,
    })
  return scaffold({ name, machine, distro })
}

/** What workflows use; undefined: none are wanted. @throws {YoeError} USAGE */
function actionsOf(values: {
  readonly ci: boolean
  readonly 'ci-short': boolean
  readonly actions: string | undefined
}): ActionsSource | undefined {
  if (values.ci || values['ci-short'])
    return values.actions === undefined ? (releasedActions() ?? actionsPlaceholder) : parseActionsSource(values.actions)
  if (values.actions === undefined) return undefined
  throw new YoeError('USAGE', '--actions says what workflows use, and none are asked for', { hint: 'add --ci' })
}

function pinnedAt(actions: ActionsSource): string {
  const { repository, ref, version } = actions
  if (actions === actionsPlaceholder)
    return `This yoe is no release: in .github/workflows, replace ${repository}@${ref} by the repository and the commit of one (or: --actions).`
  if (!isPinned(actions))
    return `The workflows use ${repository}@${ref}, which can be moved: name a commit with --actions.`
  return `The workflows use ${repository} at ${ref}${version === undefined ? '' : `, which is ${version}`}.`
}

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
