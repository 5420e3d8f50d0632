import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { networkAccess } from '#engine/build/network-access.ts'
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

test('a task that may reach the network trusts the authorities that this machine trusts', async (t) => {
  const bundle = join(scratch(t), 'company.crt')
  writeFileSync(bundle, 'the authorities\n')
  const { environment, mounts } = networkAccess({ mirrors: {} }, { SSL_CERT_FILE: bundle })
  assert.equal(mounts.length, 1)
  assert.deepEqual(mounts[0], { source: bundle, target: environment['SSL_CERT_FILE'], writable: false })
  for (const name of ['CARGO_HTTP_CAINFO', 'NODE_EXTRA_CA_CERTS', 'PIP_CERT', 'GIT_SSL_CAINFO'])
    assert.equal(environment[name], environment['SSL_CERT_FILE'], name)
  // One that is not there is not shown, and the machine's own comes instead where it has one.
  const other = networkAccess({ mirrors: {} }, { SSL_CERT_FILE: `${bundle}.gone` })
  assert.ok(other.mounts.every(({ source }) => source !== `${bundle}.gone`))
})

test('registries are services that tasks reach, with their ports', () => {
  const { reach } = networkAccess(
    { mirrors: {}, goProxy: 'http://localhost:3000,https://go.example|direct', npmRegistry: 'http://[::1]:4873/' },
    {},
  )
  assert.deepEqual(reach.services, [
    { host: 'localhost', port: 3000 },
    { host: 'go.example', port: 443 },
    { host: '[::1]', port: 4873 },
  ])
})
