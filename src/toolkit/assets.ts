import { join } from 'node:path'

/** The folder that holds what ships beside the code: `modules/`. */
const root = join(import.meta.dirname, '..', '..')

/** Absolute folder of the modules that `module("yoe:NAME")` names. */
export function shippedModules(): string {
  return join(root, 'modules')
}
