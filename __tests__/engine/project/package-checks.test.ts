/** Fields of a unit about what its packages may and must be. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packageNames } from '#engine/catalog/subpackages.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { evaluate } from './evaluating.ts'

const project = 'project(name = "demo")\n'

async function unitWith(fields: string): Promise<{ readonly unit?: PackageUnit; readonly errors: readonly string[] }> {
  const { evaluated, errors } = await evaluate({
    'PROJECT.star': project,
    'units/u.star': `unit(name = "uu", version = "1", ${fields})\n`,
  })
  const unit = evaluated?.project.units.find((each) => each.kind === 'package')
  return {
    ...(unit === undefined ? {} : { unit }),
    errors: errors.map(({ code, message, at }) => `${code} ${at?.line} ${message}`),
  }
}

test('permissions: modes, owners and capabilities, in any order', async () => {
  const { unit, errors } = await unitWith(
    'permissions = {"/bin/su": "4755", "/var/a": "0750 app:adm", "/var/b": "app", "/bin/ping": "cap_net_raw,cap_net_admin+ep root:adm 755"}',
  )
  assert.deepEqual(errors, [])
  assert.deepEqual(unit?.permissions, {
    '/bin/su': { mode: 0o4755 },
    '/var/a': { mode: 0o750, owner: { user: 'app', group: 'adm' } },
    '/var/b': { owner: { user: 'app', group: 'app' } },
    '/bin/ping': {
      mode: 0o755,
      owner: { user: 'root', group: 'adm' },
      capabilities: 'cap_net_raw,cap_net_admin+ep',
    },
  })
})

for (const text of ['', '  ', '9755', '755 644', 'root root', '755 $(id)', 'cap_net_raw+zz', '0755; reboot', 'A:B'])
  test(`permissions: ${JSON.stringify(text)} is none`, async () => {
    const { errors } = await unitWith(`permissions = {"/bin/su": ${JSON.stringify(text)}}`)
    assert.equal(errors.length, 1)
    assert.match(errors[0] ?? '', /^BAD_FIELD 1 unit\(\): permissions\["\/bin\/su"\] can't be .*such as "4755"/)
  })

test('permissions are of absolute paths', async () => {
  const { errors } = await unitWith('permissions = {"bin/su": "4755"}')
  assert.match(errors.join(), /absolute path/)
})

test('qa_skip: names with reasons, or names', async () => {
  assert.deepEqual((await unitWith('qa_skip = {"rpath": "its plugins"}')).unit?.qaSkip, { rpath: 'its plugins' })
  assert.deepEqual((await unitWith('qa_skip = ["rpath"]')).unit?.qaSkip, { rpath: '' })
})

test('qa_skip: an unknown name says what was meant', async () => {
  const { errors } = await unitWith('qa_skip = {"striped": "why"}')
  assert.match(
    errors.join(),
    /^BAD_FIELD 1 unit\(\): qa_skip.*"striped" is no check of packages; did you mean "stripped"\?$/,
  )
  const { errors: others } = await unitWith('qa_skip = ["colour"]')
  assert.match(others.join(), /there are arch, buildpaths, .*world-writable/)
})

test('upstream_tests: the last task, and a package of their own', async () => {
  const fields = 'tasks = [task("build", run = "make")], upstream_tests = task("suite", run = "make check")'
  const { unit, errors } = await unitWith(fields)
  assert.deepEqual(errors, [])
  assert.deepEqual(
    unit?.tasks.map(({ name }) => name),
    ['build', 'suite'],
  )
  assert.deepEqual(unit === undefined ? [] : packageNames(unit), ['uu', 'uu-tests'])
  const { errors: twice } = await unitWith(fields.replace('"suite"', '"build"'))
  assert.match(twice.join(), /two tasks called "build"/)
  const { errors: taken } = await unitWith('extra_subpackages = {"tests": ["/x"]}')
  assert.match(taken.join(), /have rules of their own/)
})
