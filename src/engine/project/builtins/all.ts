import type { Builtin } from './builtin.ts'
import { resolveClosure } from './closure.ts'
import { container } from './container.ts'
import { feed } from './device-feed.ts'
import { extend } from './extend.ts'
import { image, user } from './image.ts'
import { kernel, machine, partition, qemuConfig, uboot } from './machine.ts'
import { module, moduleInfo } from './module.ts'
import { defaults, project } from './project.ts'
import { dirCache, httpCache, ociCache, s3Cache } from './remote-cache.ts'
import { run } from './run.ts'
import { cache, sources } from './sources.ts'
import { files, installFile, installTemplate, path, task, test } from './task.ts'
import { unit } from './unit.ts'

/** Everything that `.star` files may call, beside what package formats add. */
export const builtins: Readonly<Record<string, Builtin>> = {
  cache,
  container,
  defaults,
  dir_cache: dirCache,
  extend,
  feed,
  files,
  http_cache: httpCache,
  image,
  install_file: installFile,
  install_template: installTemplate,
  kernel,
  machine,
  module,
  module_info: moduleInfo,
  oci_cache: ociCache,
  partition,
  path,
  project,
  qemu_config: qemuConfig,
  resolve_closure: resolveClosure,
  run,
  s3_cache: s3Cache,
  sources,
  task,
  test,
  uboot,
  unit,
  user,
}
