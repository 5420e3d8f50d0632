import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scratch, writeTexts } from '../../support/project.ts'
import { base, planAt } from '../plan/fake-world.ts'
import { runApp } from './building.ts'

const registries =
  'go_proxy = "https://go.example", npm_registry = "https://npm.example/", pip_index = "https://pip.example/simple"'
const tasks = 'task("fetch", run = "fetch", network = True), task("build", run = "build")'

/** The base project, with sources of its own. */
function project(sources: string): string {
  const text = base['PROJECT.star'] ?? ''
  const changed = text.replace('project(', `project(sources = sources(${sources}), `)
  assert.notEqual(changed, text)
  return changed
}

test('only a task that may reach the network sees where registries are', async (t) => {
  const { runs, error } = await runApp(t, {
    'PROJECT.star': project(registries),
    'units/app.star': `unit(name = "app", version = "1", tasks = [${tasks}], environment = {"PIP_INDEX_URL": "https://own.example"})\n`,
  })
  assert.equal(error, '')
  assert.deepEqual(
    runs.map(({ network, env }) => [network, env['GOPROXY'], env['npm_config_registry'], env['PIP_INDEX_URL']]),
    [
      [true, 'https://go.example', 'https://npm.example/', 'https://own.example'],
      [false, undefined, undefined, 'https://own.example'],
    ],
  )
})

test('where things come from is in no key', async (t) => {
  const keys = async (sources: string): Promise<unknown> => {
    const root = scratch(t)
    writeTexts(root, {
      ...base,
      'PROJECT.star': project(sources),
      'units/app.star': `unit(name = "app", version = "1", tasks = [${tasks}])\n`,
    })
    return (await planAt(root, ['app'])).hashes
  }
  const plain = await keys('')
  assert.deepEqual(await keys(registries), plain)
  assert.deepEqual(await keys('mirrors = {"https://a.example/": "http://b.example/"}'), plain)
})
