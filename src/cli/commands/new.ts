import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import { isLanguage, languages } from '#toolkit/new/app.ts'
import type { Invocation } from '../command.ts'
import { command, projectOptions } from '../command.ts'
import { projectOf, workspaceOf } from '../project.ts'
import { shown } from '../shown.ts'

const kinds = ['unit', 'app'] as const

const options = {
  project: projectOptions.project,
  offline: projectOptions.offline,
  name: { type: 'string', value: 'NAME', help: 'unit: how it is called (default: as its sources are)' },
  lang: { type: 'string', value: 'LANG', completes: languages, help: `app: ${languages.join(', ')}` },
} as const

type NewInvocation = Invocation<typeof options>

export const create = command({
  usage: 'new unit|app …',
  summary: 'add a unit for sources somewhere, or an application of your own',
  details: `Adds files to the project; none that is there is changed.

  yoe new unit https://ftp.gnu.org/gnu/hello/hello-2.10.tar.gz
  yoe new unit https://github.com/tomnomnom/gron.git --name gron
  yoe new app --lang go sensord

A unit for an archive, or for the newest version of a repository: both are fetched and looked at to find out how they are
built and what their licence is. An application gets its source in a folder of its name, a unit that builds it, and a
service that starts it.`,
  options,
  positionals: [0, 2],
  completes: [kinds],
  async run(invocation) {
    const [kind, subject] = invocation.positionals
    if (kind === 'unit' || kind === 'app') {
      if (subject !== undefined) return kind === 'unit' ? unit(invocation, subject) : app(invocation, subject)
      const lang = invocation.values.lang ?? 'LANG'
      throw new YoeError('USAGE', kind === 'unit' ? 'say where the sources are' : 'say how it is called', {
        hint: kind === 'unit' ? 'yoe new unit URL' : `yoe new app --lang ${shown(lang)} NAME`,
      })
    }
    if (kind === undefined)
      throw new YoeError('USAGE', 'say what to add', { hint: 'yoe new unit URL, or yoe new app --lang LANG NAME' })
    throw new YoeError('USAGE', `there is no yoe new ${shown(kind)}`, {
      hint: didYouMean(kind, kinds) ?? 'yoe new unit URL, or yoe new app --lang LANG NAME',
    })
  },
})

async function unit(invocation: NewInvocation, url: string): Promise<number> {
  const { values, output } = invocation
  if (values.lang !== undefined)
    throw new YoeError('USAGE', '--lang belongs to yoe new app', { hint: `yoe new unit ${url}` })
  const [{ newUnit }, { addFiles }] = await Promise.all([
    import('#toolkit/new/unit.ts'),
    import('#toolkit/new/write.ts'),
  ])
  const made = await newUnit(await projectOf(invocation), url, values.name)
  await addFiles(workspaceOf(invocation), [made.file], `yoe new unit ${url} --name NAME`)
  const { name, version, license } = made
  const [file] = made.file
  if (output.json) {
    output.printJson({ name, version, class: made.class, ...(license === undefined ? {} : { license }), files: [file] })
    return 0
  }
  output.print(
    `${file} declares ${name} ${version}, built by ${made.class}(), under ${license ?? 'a licence that you know'}. Next:`,
  )
  output.print(`  yoe build ${name}`)
  return 0
}

async function app(invocation: NewInvocation, name: string): Promise<number> {
  const { values, output } = invocation
  const { lang } = values
  if (values.name !== undefined)
    throw new YoeError('USAGE', '--name belongs to yoe new unit', {
      hint: `yoe new app --lang ${lang ?? 'go'} ${name}`,
    })
  if (lang === undefined || !isLanguage(lang)) {
    throw new YoeError(
      'USAGE',
      lang === undefined ? 'say which language: --lang' : `there is no template for ${shown(lang)}`,
      {
        hint: didYouMean(lang ?? '', languages) ?? `there are: ${languages.join(', ')}`,
      },
    )
  }
  const [{ newApp }, { addFiles }] = await Promise.all([import('#toolkit/new/app.ts'), import('#toolkit/new/write.ts')])
  const files = newApp(lang, name)
  await addFiles(workspaceOf(invocation), files, `yoe new app --lang ${lang} NAME`)
  if (output.json) {
    output.printJson({ name, files: files.map(([path]) => path) })
    return 0
  }
  for (const [path] of files) output.print(`wrote ${path}`)
  output.print('Next:')
  output.print(`  yoe build ${name}`)
  output.print(`  yoe test ${name}`)
  output.print(`and to have it in an image, add "${name}" to its artifacts`)
  return 0
}
