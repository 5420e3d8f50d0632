import { relative } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { catalogOf } from '../catalog.ts'
import { command, projectOptions, remoteCacheOptions, workerOption } from '../command.ts'
import { workspaceOf } from '../project.ts'
import { shown } from '../shown.ts'

export const shell = command({
  usage: 'shell [UNIT] [-c COMMAND]',
  summary: 'a shell where a unit is built',
  details: `Starts a shell where the unit's tasks run: the same root, sysroot, environment and sandbox, without a network. Without a
unit, in the toolchain of the machine. All that is written is gone when it ends, but edits in the source of a unit in dev
mode.

  yoe shell openssh
  yoe shell openssh -c './configure --help'
  yoe shell --machine qemu-arm64`,
  options: {
    ...projectOptions,
    ...workerOption,
    ...remoteCacheOptions,
    command: { type: 'string', short: 'c', value: 'COMMAND', help: 'run this instead of a shell, and exit as it does' },
  },
  positionals: [0, 1],
  completes: ['unit'],
  async run(invocation) {
    const { values, positionals, output, env, cwd } = invocation
    const [given] = positionals
    const { unitHere } = await import('#toolkit/dev/plans.ts')
    const name = given ?? (await unitHere(workspaceOf(invocation), values.machine))
    const { shellOf } = await import('#toolkit/dev/shell.ts')
    const terminal = process.stdin.isTTY === true && process.stdout.isTTY === true
    const request = {
      command: values.command,
      terminal,
      // Never the terminal itself: whoever has that can type into it.
      stdin: terminal || process.stdin.isTTY === true ? undefined : await buffer(process.stdin),
      output: (chunk: Uint8Array) => void process.stdout.write(chunk),
      term: env['TERM'] ?? 'dumb',
    }
    const result = await shellOf(
      await catalogOf(invocation, name === undefined ? [] : [name]),
      name,
      request,
      (node, kept) => {
        if (values.command !== undefined) return
        const what = name === undefined ? 'the toolchain' : `${node.unit.name} ${node.unit.version}`
        output.tell(`${shown(what)} for ${node.arch} in ${node.toolchain?.unit.name}; exit or ctrl-d ends it`)
        const stays =
          kept === undefined ? 'nothing is kept' : `stays: ${shown(relative(cwd, kept) || '.')}; nothing else does`
        output.tell(`  $SRCDIR   /build/src      ${name === undefined ? 'empty' : stays}`)
        output.tell('  $DESTDIR  /build/destdir  what is installed')
        output.tell('  $SYSROOT  /build/sysroot  what it is built with')
        const tasks = node.unit.tasks.map((task) => task.name).join(', ')
        if (name !== undefined) output.tell(`  tasks     ${shown(tasks)}: yoe desc ${node.unit.name} shows them`)
      },
    )
    if (result.kind === 'exited') return result.code
    output.tell(`the shell was ended: ${result.why}`)
    return 1
  },
})
