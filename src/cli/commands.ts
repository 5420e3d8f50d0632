import type { Command, Options } from './command.ts'

interface Entry {
  readonly summary: string
  readonly load: () => Promise<Command<Options>>
}

/** Every command, in the order of the help; a command's own code is loaded when it runs. */
export const commands: Readonly<Record<string, Entry>> = {
  init: { summary: 'make a new project', load: async () => (await import('./commands/init.ts')).init },
  build: { summary: 'build units and images', load: async () => (await import('./commands/build.ts')).build },
  plan: { summary: 'say what a build would do, and why', load: async () => (await import('./commands/plan.ts')).plan },
  run: {
    summary: 'boot an image in QEMU, or test that it boots',
    load: async () => (await import('./commands/run.ts')).run,
  },
  publish: {
    summary: 'write the signed package feed to a folder',
    load: async () => (await import('./commands/publish.ts')).publish,
  },
  ci: { summary: 'do locally what a CI job does', load: async () => (await import('./commands/ci.ts')).ci },
  list: {
    summary: 'list units, images, machines, modules and feeds',
    load: async () => (await import('./commands/list.ts')).list,
  },
  desc: { summary: 'describe one unit', load: async () => (await import('./commands/desc.ts')).desc },
  log: { summary: 'show a build log', load: async () => (await import('./commands/log.ts')).log },
  config: {
    summary: 'show the configuration in effect',
    load: async () => (await import('./commands/config.ts')).config,
  },
  key: { summary: 'make and show the keys of a project', load: async () => (await import('./commands/key.ts')).key },
  clean: { summary: 'remove what builds left', load: async () => (await import('./commands/clean.ts')).clean },
  doctor: {
    summary: 'check that this machine can build',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
}
