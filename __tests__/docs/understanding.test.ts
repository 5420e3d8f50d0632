import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { silent } from '#engine/events.ts'
import { makePlan } from '#toolkit/planning.ts'
import { openWorkspace } from '#toolkit/workspace.ts'
import { type Installed, leavePackages } from '../support/left-by-builds.ts'
import { checkout } from '../support/project.ts'
import { type VendorProject, vendorProject } from '../support/vendor-project.ts'

const path = join(checkout, 'docs/understanding-a-build.md')

/** What the page does, in its order. */
type Step =
  | { readonly kind: 'text'; readonly text: string }
  /** `<!-- edit FILE: OLD -> NEW -->` */
  | { readonly kind: 'edit'; readonly text: string; readonly file: string; readonly old: string; readonly now: string }
  /** `<!-- build IMAGE -->` */
  | { readonly kind: 'build'; readonly text: string; readonly image: string }
  /** ```` ```console ````: commands behind `$ yoe`, each with what it prints. */
  | { readonly kind: 'console'; readonly text: string; readonly commands: readonly string[] }

function stepsOf(page: string): readonly Step[] {
  return page.split(/(```console\n[\s\S]*?^```$|<!-- (?:edit|build) .*? -->)/m).map((text): Step => {
    const [, image] = /^<!-- build (\S+) -->$/.exec(text) ?? []
    if (image !== undefined) return { kind: 'build', text, image }
    const [, file, old, now] = /^<!-- edit (\S+): (.+) -> (.+) -->$/.exec(text) ?? []
    if (file !== undefined && old !== undefined && now !== undefined) return { kind: 'edit', text, file, old, now }
    if (!text.startsWith('```console\n')) return { kind: 'text', text }
    return {
      kind: 'console',
      text,
      commands: [...text.matchAll(/^\$ yoe (.*)$/gm)].map(([, command]) => command ?? ''),
    }
  })
}

/** What tasks would install, for what builds leave behind. */
const installed: Readonly<Record<string, Installed>> = {
  netcfg: { files: { 'etc/netcfg/name': 'fleet\n' } },
  zlib: { files: { 'usr/share/zlib/version': '1.3.1\n' } },
  libmodbus: {
    files: { 'usr/share/libmodbus/version': '3.1.11\n', 'usr/include/modbus/modbus.h': '#pragma once\n' },
    links: ['zlib'],
  },
  sensord: {
    files: {
      'usr/bin/sensord': '#!/bin/sh\n',
      'usr/lib/systemd/system/sensord.service':
        '[Service]\nExecStart=/usr/bin/sensord\n[Install]\nWantedBy=multi-user.target\n',
    },
    links: ['libmodbus'],
  },
  webui: { files: { 'usr/share/webui/index.html': 'hello\n' } },
}

async function build({ root, cache, mirrors }: VendorProject, image: string, t: TestContext): Promise<void> {
  const workspace = openWorkspace({
    cwd: root,
    project: undefined,
    env: { YOE_CACHE: cache, YOE_MIRRORS: mirrors },
    offline: false,
    report: silent,
    signal: t.signal,
  })
  await leavePackages(await makePlan(workspace, { machine: undefined, distro: undefined, targets: [image] }), installed)
}

/** Keys hang on the version of yoe: a page shows that there is one. */
const shortened = (text: string): string => text.replaceAll(/\b[0-9a-f]{12,64}\b/g, '…')

async function printed(project: VendorProject, command: string): Promise<string> {
  const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
  const { stdout, stderr } = await project.yoe(words)
  return shortened(`$ yoe ${command}\n${stdout}${stderr}`)
}

/** Work that is done two at a time, in the order in which it was asked for. */
function inTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  const lanes: Promise<unknown>[] = [Promise.resolve(), Promise.resolve()]
  return async (work) => {
    const done = Promise.resolve(lanes.shift()).then(work)
    lanes.push(done.catch(() => {}))
    return done
  }
}

/** Each command of the page prints what the page says. `YOE_UPDATE_DOCS=1` writes what they print into it. */
test('docs/understanding-a-build.md shows what its commands print', async (t) => {
  const project = await vendorProject(t)
  const page = readFileSync(path, 'utf8')
  const inTurn = inTurns()
  const made: (string | Promise<string>)[] = []
  for (const step of stepsOf(page)) {
    // Whatever was asked before is asked of the project as it was.
    if (step.kind === 'build' || step.kind === 'edit') await Promise.all(made)
    if (step.kind === 'build') await build(project, step.image, t)
    if (step.kind === 'edit') {
      const file = join(project.root, step.file)
      const before = readFileSync(file, 'utf8')
      assert.ok(before.includes(step.old), `${step.file} has no ${step.old}`)
      writeFileSync(file, before.replace(step.old, step.now))
    }
    if (step.kind !== 'console') {
      made.push(step.text)
      continue
    }
    const outputs = step.commands.map((command) => inTurn(() => printed(project, command)))
    made.push(Promise.all(outputs).then((all) => `\`\`\`console\n${all.join('')}\`\`\``))
  }
  const now = (await Promise.all(made)).join('')
  if (process.env['YOE_UPDATE_DOCS'] === '1') writeFileSync(path, now)
  assert.equal(page, now, 'see the difference with YOE_UPDATE_DOCS=1 and git diff')
})
