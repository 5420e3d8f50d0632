import { existsSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
/** The folder that holds what ships beside the code: the clone, or the bundle's own folder (`dist/`). */
export const shippedFolder = existsSync(join(here, 'modules')) ? here : join(here, '..', '..')

/** Absolute folder of the modules that `module("yoe:NAME")` names. */
export function shippedModules(): string {
  return join(shippedFolder, 'modules')
}
