import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Project } from '#engine/project/model.ts'
import { distroChoice } from '#toolkit/choices.ts'
import type { Local } from '#toolkit/local/settings.ts'
import { emptyProject, imageUnit } from '../support/units.ts'

const at = { file: 'images/i.star', line: 7, column: 1 }

function projectWith(distros: readonly string[] | undefined, usual: string | undefined): Project {
  const image = imageUnit({ name: 'i', at, ...(distros === undefined ? {} : { distros }) })
  const feed = (distro: string): Project['feeds'][number] => ({
    ...{ id: `m.${distro}`, module: 'm', at, format: 'debian', distro, options: {} },
  })
  return emptyProject({
    at,
    defaults: usual === undefined ? {} : { distro: usual },
    units: [image],
    feeds: ['debian', 'ubuntu', 'alpine'].map(feed),
  })
}

const local = (override?: string): Local => ({
  settings: override === undefined ? {} : { default_distro_override: override },
  at: new Map(),
})

const rows: readonly {
  readonly title: string
  readonly distros?: readonly string[]
  readonly usual?: string
  readonly override?: string
  readonly asked?: string
  readonly want: string
}[] = [
  { title: 'the project', usual: 'debian', want: 'debian from images/i.star' },
  { title: 'local.star before the project', usual: 'debian', override: 'alpine', want: 'alpine from local.star:1' },
  { title: '--distro before local.star', override: 'alpine', asked: 'ubuntu', want: 'ubuntu from --distro' },
  {
    title: "the image's one before --distro",
    distros: ['debian'],
    asked: 'ubuntu',
    want: 'debian from images/i.star:7',
  },
  { title: 'one of several by --distro', distros: ['debian', 'ubuntu'], asked: 'ubuntu', want: 'ubuntu from --distro' },
  {
    title: 'one of several by the project',
    distros: ['ubuntu', 'debian'],
    usual: 'debian',
    want: 'debian from images/i.star',
  },
  {
    title: 'several without the usual one',
    distros: ['ubuntu', 'alpine'],
    usual: 'debian',
    want: 'ubuntu from images/i.star:7',
  },
  { title: 'several and nothing usual', distros: ['alpine', 'ubuntu'], want: 'alpine from images/i.star:7' },
]

for (const { title, distros, usual, override, asked, want } of rows) {
  test(`an image is built for the distro of: ${title}`, () => {
    const { value, from } = distroChoice(projectWith(distros, usual), local(override), asked, ['i'])
    assert.equal(`${value} from ${from}`, want)
  })
}
