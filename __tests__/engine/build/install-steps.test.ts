import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { StagedSteps } from '#engine/build/install-steps.ts'
import { userErrors } from '#engine/errors.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import { scratch, type Texts, writeTexts } from '../../support/project.ts'
import { base, planAt } from '../plan/fake-world.ts'
import { shown } from '../project/evaluating.ts'
import { quietContext } from './quiet-context.ts'

/** Stages the steps of the unit `app` of a project. */
async function stage(t: TestContext, unit: string, files: Texts) {
  const root = join(scratch(t), 'project')
  writeTexts(root, {
    ...base,
    'units/u.star': unit,
    ...Object.fromEntries(Object.entries(files).map(([name, text]) => [`units/u/${name}`, text])),
  })
  const { targets, keys } = await planAt(root, ['app'])
  const node = targets.find((each): each is PackageNode => each.kind === 'package')
  assert.ok(node)
  const context = await quietContext(root, { keys, absolute: ({ path }) => join(root, path) })
  const folder = join(root, 'staged')
  mkdirSync(folder)
  const staged = new StagedSteps(context, node, folder)
  await staged.stageDeclared()
  const commands: string[] = []
  for (const { steps } of node.unit.tasks) {
    for (const step of steps) if (step.kind === 'install') commands.push(await staged.commandFor(step))
  }
  return { folder, commands }
}

const unit = (steps: string, more = ''): string =>
  `unit(name = "app", version = "1.2", release = 3${more && `, ${more}`}, tasks = [task("t", steps = [${steps}])])\n`

test('templates see the unit and its extra arguments, which win; files stay as they are', async (t) => {
  const { folder } = await stage(
    t,
    unit(
      'install_template("conf", "$DESTDIR/conf"), install_file("raw", "$DESTDIR/raw")',
      'port = 1502, listeners = ["a", "b"], arch = "mine", nested = {"x": {"y": True}}',
    ),
    {
      conf: '{{.name}} {{.version}} {{.release}} {{.arch}} {{.project}} {{.project_version}} {{.port}}{{range .listeners}} {{.}}{{end}} {{if .nested.x.y}}yes{{end}}\n',
      raw: '{{.name}}\n',
    },
  )
  const contents = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
  assert.deepEqual(contents.toSorted(), ['app 1.2 3 mine demo 1 1502 a b yes\n', '{{.name}}\n'])
})

test('the machine is seen by units whose scope it is, and by no other', async (t) => {
  const steps = 'install_template("conf", "$DESTDIR/conf")'
  const { folder } = await stage(t, unit(steps, 'scope = "machine"'), { conf: '{{.machine}}\n' })
  assert.equal(readFileSync(join(folder, '0'), 'utf8'), 'box\n')
  await assert.rejects(stage(t, unit(steps), { conf: 'a\n{{.machine}}\n' }), (failure) => {
    const [error] = userErrors(failure) ?? []
    assert.ok(error)
    assert.match(
      shown(error),
      /^units\/u\/conf:2: BAD_FIELD unit "app": .*machine.* \| the template sees: name, version, release, arch, project, project_version \(machine and console with scope = "machine"\)$/,
    )
    return true
  })
})

test('packages for every architecture are rendered without one', async (t) => {
  const steps = 'install_template("conf", "$DESTDIR/conf")'
  await assert.rejects(stage(t, unit(steps, 'scope = "noarch"'), { conf: '{{.arch}}\n' }), (failure) => {
    const [error] = userErrors(failure) ?? []
    assert.match(
      error?.hint ?? '',
      /project_version \(arch not with scope = "noarch", machine and console with scope = "machine"\)$/,
    )
    return true
  })
})

test('a template that is none: the line in it', async (t) => {
  await assert.rejects(
    stage(t, unit('install_template("conf", "$DESTDIR/conf")'), { conf: 'fine\n{{if}}\n' }),
    (failure) => {
      const [error] = userErrors(failure) ?? []
      assert.equal(error?.code, 'BAD_FIELD')
      assert.equal(`${error?.at?.file}:${error?.at?.line}`, 'units/u/conf:2')
      return true
    },
  )
})

test('whatever a destination is called, only that is written, with its mode', async (t) => {
  const odd = [
    'plain',
    'with space',
    "quo'te",
    'do"uble',
    '`touch evil`',
    '$(touch evil)',
    'a;touch evil',
    'back\\slash',
    '*',
    '~',
    '-n',
  ]
  const steps = odd.map((name) => `install_file("f", ${JSON.stringify(`$DESTDIR/deep/${name}`)}, 0o640)`).join(', ')
  const { folder, commands } = await stage(t, unit(steps), { f: 'content\n' })
  const destdir = join(scratch(t), 'dest dir')
  mkdirSync(destdir)
  for (const command of commands) {
    // What the sandbox shows as /build/install is the folder here.
    execFileSync('bash', ['--norc', '-e', '-c', command.replaceAll('/build/install/', `${folder}/`)], {
      cwd: destdir,
      env: { PATH: process.env['PATH'], DESTDIR: destdir },
    })
  }
  assert.deepEqual(readdirSync(destdir), ['deep'])
  assert.deepEqual(readdirSync(join(destdir, 'deep')).toSorted(), odd.toSorted())
  for (const name of odd) assert.equal(statSync(join(destdir, 'deep', name)).mode & 0o7777, 0o640)
})
