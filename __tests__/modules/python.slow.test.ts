/** Python: real packages of its registry, a project of upstream, and lists that leave something open. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'
import { builtTwice, contents, failing, field, fileOf, packageOf } from './built.ts'
import { project as bare, python } from './script-apps.ts'

const cache = sharedCache()

test('applications in environments of their own, and a project for the Python of the distro', async (t) => {
  const project = testProject(t, python, cache)
  await builtTwice(project, ['greet', 'marks', 'yamllint'])

  const greet = packageOf(project, 'greet')
  const files = contents(greet)
  const venv = '/usr/lib/python-venvs/greet'
  assert.ok(files.includes(`${venv}/bin/python3 -> /usr/bin/python3`))
  assert.ok(files.includes(`${venv}/lib/python3.13/site-packages/greet/__init__.py`))
  assert.ok(files.some((path) => path.endsWith('/_speedups.cpython-313-x86_64-linux-gnu.so')))
  assert.deepEqual(
    files.filter((path) => /__pycache__|\.pyc$|direct_url|\/bin\/(activate|pip)/.test(path)),
    [],
  )
  assert.equal(fileOf(greet, '/usr/bin/greet-module'), `#!/bin/sh\nexec ${venv}/bin/python -m greet "$@"\n`)
  assert.match(fileOf(greet, '/usr/bin/greet'), /^#!\/usr\/lib\/python-venvs\/greet\/bin\/python\n/)
  for (const path of files.filter((each) => /pyvenv\.cfg|dist-info|\/bin\//.test(each) && !each.includes(' -> ')))
    assert.doesNotMatch(fileOf(greet, path), /\/build\//, path)
  assert.match(field(greet, 'Depends'), /^libc6 \(.*\), python3 \(>= 3\.13\), python3 \(<< 3\.14\)$/)

  const yamllint = packageOf(project, 'yamllint')
  assert.ok(contents(yamllint).includes('/usr/lib/python3/dist-packages/yamllint/cli.py'))
  assert.match(fileOf(yamllint, '/usr/bin/yamllint'), /^#!\/usr\/bin\/python3\n/)
  assert.equal(field(yamllint, 'Architecture'), 'all')
})

const venv = (arguments_: string): string =>
  `load("@module-core//classes/python.star", "python_venv")\npython_venv(name = "app", version = "1", license = "MIT", ${arguments_})\n`

const faults: Readonly<Record<string, readonly [unit: string, list: string | undefined, says: RegExp]>> = {
  'a package without a version': [
    'pip_packages = ["jinja2>=3"]',
    undefined,
    /units\/app\.star:2: .*"jinja2>=3" leaves its version open; write it as jinja2==1\.2\.3/,
  ],
  'a requirement without a version': [
    'requirements = "list.txt"',
    'jinja2>=3\n',
    /units\/app\.star:2: [\s\S]*jinja2>=3 has no version: write jinja2==1\.2\.3/,
  ],
  'packages that nobody listed': [
    'pip_packages = ["jinja2==3.1.6"]',
    undefined,
    /units\/app\.star:2: [\s\S]*so their versions are open; add:\n.*markupsafe==\d/,
  ],
  'another file than the list means': [
    'requirements = "list.txt"',
    `markupsafe==3.0.2 --hash=sha256:${'0'.repeat(64)}\n`,
    /units\/app\.star:2: [\s\S]*THESE PACKAGES DO NOT MATCH THE HASHES/,
  ],
  'a command without its function': [
    'source = path("app"), entry_points = {"run": "greet:mian"}',
    undefined,
    /entry_points: run is to call "greet:mian", and greet has no mian/,
  ],
  'a command without its module': [
    'source = path("app"), entry_points = {"json": "json.tool", "run": "great"}',
    undefined,
    /entry_points: run is to start "great", and the environment has no module great/,
  ],
  'an index of its own': [
    'requirements = "list.txt"',
    '--index-url https://pypi.example.org\nmarkupsafe==3.0.2\n',
    /this option is not taken here; mirrors are for sources\(\) of the project/,
  ],
}

for (const [what, [call, list, says]] of Object.entries(faults)) {
  test(`python_venv refuses ${what}`, async (t) => {
    const texts = {
      ...bare,
      'units/app.star': venv(call),
      'units/app/pyproject.toml':
        '[project]\nname = "greet"\nversion = "1"\n[tool.setuptools]\npy-modules = ["greet"]\n',
      'units/app/greet.py': 'def main():\n    pass\n',
      ...(list === undefined ? {} : { 'units/app/list.txt': list }),
    }
    assert.match(await failing(testProject(t, texts, cache), 'app'), says)
  })
}

test('what was never fetched can not be built offline', async (t) => {
  const texts = { ...bare, 'units/app.star': venv('pip_packages = ["pyfiglet==1.0.1"]') }
  assert.match(
    await failing(testProject(t, texts, cache), 'app', '--offline'),
    /not all packages are in the cache, and there is no network/,
  )
})
