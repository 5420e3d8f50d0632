import type { Command, Options } from './command.ts'

interface Entry {
  readonly summary: string
  readonly load: () => Promise<Command<Options>>
}

/** Every command, in the order of the help; a command's own code is loaded when it runs. */
export const commands: Readonly<Record<string, Entry>> = {
  init: { summary: 'make a new project', load: async () => (await import('./commands/init.ts')).init },
  new: {
    summary: 'add a unit for sources somewhere, or an application of your own',
    load: async () => (await import('./commands/new.ts')).create,
  },
  build: { summary: 'build units and images', load: async () => (await import('./commands/build.ts')).build },
  dev: {
    summary: "edit a unit's source in place, and make patches of it",
    load: async () => (await import('./commands/dev.ts')).dev,
  },
  shell: { summary: 'a shell where a unit is built', load: async () => (await import('./commands/shell.ts')).shell },
  plan: { summary: 'say what a build would do, and why', load: async () => (await import('./commands/plan.ts')).plan },
  run: {
    summary: 'boot an image in QEMU, or test that it boots',
    load: async () => (await import('./commands/run.ts')).run,
  },
  test: { summary: 'run the tests of units', load: async () => (await import('./commands/test.ts')).test },
  reproduce: {
    summary: 'build packages a second time and compare every byte',
    load: async () => (await import('./commands/reproduce.ts')).reproduce,
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
  desc: { summary: 'describe what a name means', load: async () => (await import('./commands/desc.ts')).desc },
  refs: { summary: 'say what needs a unit or package', load: async () => (await import('./commands/refs.ts')).refs },
  graph: {
    summary: 'show what units and images need, as a tree or a graph',
    load: async () => (await import('./commands/graph.ts')).graph,
  },
  why: {
    summary: 'say why a unit or package is in an image',
    load: async () => (await import('./commands/why.ts')).why,
  },
  'why-rebuild': {
    summary: 'say what changed since a unit was built',
    load: async () => (await import('./commands/why-rebuild.ts')).whyRebuild,
  },
  'what-if': {
    summary: 'say what a change would rebuild and what images would gain',
    load: async () => (await import('./commands/what-if.ts')).whatIf,
  },
  module: {
    summary: 'fetch, list and update the modules of a project',
    load: async () => (await import('./commands/module.ts')).module,
  },
  source: {
    summary: 'fetch, list, check and remove sources',
    load: async () => (await import('./commands/source.ts')).source,
  },
  bundle: {
    summary: 'carry what targets need to machines without a network',
    load: async () => (await import('./commands/bundle.ts')).bundle,
  },
  update: {
    summary: 'move yoe.lock to what refs and feeds mean now',
    load: async () => (await import('./commands/update.ts')).update,
  },
  'update-feeds': {
    summary: 'renew the package lists that modules keep',
    load: async () => (await import('./commands/update-feeds.ts')).updateFeeds,
  },
  container: {
    summary: 'build, list and export the containers that tasks run in',
    load: async () => (await import('./commands/container.ts')).container,
  },
  log: { summary: 'show a build log', load: async () => (await import('./commands/log.ts')).log },
  config: {
    summary: 'show the configuration in effect',
    load: async () => (await import('./commands/config.ts')).config,
  },
  key: { summary: 'make and show the keys of a project', load: async () => (await import('./commands/key.ts')).key },
  cache: {
    summary: 'look at, share, check and clear caches of results',
    load: async () => (await import('./commands/cache.ts')).cache,
  },
  clean: { summary: 'remove what builds left', load: async () => (await import('./commands/clean.ts')).clean },
  completion: {
    summary: 'print a script that completes command lines in a shell',
    load: async () => (await import('./commands/completion.ts')).completion,
  },
  doctor: {
    summary: 'check that this machine can build',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
}
