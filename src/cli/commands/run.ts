import { join } from 'node:path'
import { foldersOf } from '#engine/build/folders.ts'
import { YoeError, YoeErrors } from '#engine/errors.ts'
import { bootTestPlan, builtImage, imageOf } from '#toolkit/booting.ts'
import { makePlan } from '#toolkit/planning.ts'
import { command, projectOptions } from '../command.ts'
import { guestOptions } from '../guest-options.ts'
import type { Output } from '../output.ts'
import { duration, table } from '../output.ts'
import { workspaceOf } from '../project.ts'
import { remember } from '../remember.ts'

export const run = command({
  usage: 'run [IMAGE] [--boot-test]',
  summary: 'boot an image in QEMU, or test that it boots',
  details: `Boots a built image with its console on this terminal (ctrl-a x ends it). What the guest writes is gone when it ends;
ports are forwarded from 127.0.0.1 only. With --boot-test it boots without a console, logs in over SSH, runs the image's
tests and powers off: exit 0 only if all of it succeeds.

  yoe run
  yoe run gateway-image --port 9000:9000 --memory 2G
  yoe run --boot-test --timeout 10m`,
  options: {
    ...projectOptions,
    'boot-test': { type: 'boolean', help: 'boot, log in, run the tests of the image, power off' },
    timeout: { type: 'string', value: 'TIME', help: 'the longest that a boot test may take, such as 90s or 10m' },
    port: { type: 'string', multiple: true, value: 'HOST:GUEST', help: "forward a port, in addition to the machine's" },
    memory: { type: 'string', value: 'SIZE', help: "memory of the guest, such as 2G, instead of the machine's" },
    display: { type: 'boolean', help: "open a window with the guest's screen" },
    daemon: { type: 'boolean', help: 'run in the background' },
  },
  positionals: [0, 1],
  completes: ['image'],
  async run(invocation) {
    const { values, positionals, output, report, signal } = invocation
    const timeout = readTime(values.timeout)
    const opened = workspaceOf(invocation)
    const guest = guestOptions(values, opened.local.settings)
    if (values.memory !== undefined) await remember(opened, 'qemu_memory', values.memory)
    const plan = await makePlan(opened, { machine: values.machine, distro: values.distro, targets: positionals })
    if (values['boot-test']) {
      const { report: found, errors } = await bootTestPlan(plan, { timeout, memory: guest.memory })
      if (output.json) output.printJson(found)
      else showBoot(found, output)
      if (errors.length > 0) throw new YoeErrors(errors)
      return 0
    }
    const { workspace } = plan
    const { runDaemon, runImage } = await import('#bsp/run.ts')
    const image = imageOf(plan)
    const options = {
      image: image.unit.name,
      machine: image.machine,
      files: await builtImage(plan),
      disk: 'discard',
      ...guest,
      cacheRoot: workspace.cacheRoot,
      report,
      signal,
    } as const
    if (!values.daemon) {
      await runImage(options)
      return 0
    }
    const running = await runDaemon({ ...options, runDir: join(foldersOf(workspace.buildRoot, image).root, 'run') })
    if (output.json) output.printJson(running)
    else
      output.print(
        `${image.unit.name} runs as process ${running.pid}; kill ${running.pid} ends it, its console is ${running.serialLog}`,
      )
    return 0
  },
})

/** `90s`, `10m`, `1h` in milliseconds. */
export function readTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const match = /^([0-9]{1,6})([smh]?)$/.exec(text)
  const unit = { '': 1000, s: 1000, m: 60_000, h: 3_600_000 }[match?.[2] ?? '']
  const time = Number(match?.[1]) * (unit ?? Number.NaN)
  if (Number.isFinite(time) && time > 0) return time
  throw new YoeError('USAGE', `${JSON.stringify(text)} is no time`, { hint: 'say --timeout 90s or --timeout 10m' })
}

type Boot = Awaited<ReturnType<typeof bootTestPlan>>['report']

/** Prints how long each stage took, and what became of each check. */
export function showBoot(boot: Boot, output: Output): void {
  const mark = (ok: boolean): string => (ok ? output.paint('green', 'ok') : output.paint('red', 'failed'))
  for (const line of table(boot.stages.map(({ name, ms }) => [`  ${name}`, output.paint('dim', duration(ms))])))
    output.print(line)
  for (const line of table(
    boot.checks.map(({ name, ok, ms }) => [`  ${mark(ok)}`, name, output.paint('dim', duration(ms))]),
  ))
    output.print(line)
  const passed = boot.checks.filter(({ ok }) => ok).length
  output.print(
    `${mark(boot.ok)} ${boot.image} on ${boot.machine} (${boot.acceleration}): ${passed} of ${boot.checks.length} tests in ${duration(boot.ms)}`,
  )
}
