import type { Mirrors } from '#engine/source/mirrors.ts'
import { parseMirrors } from '#engine/source/mirrors.ts'
import type { Workspace } from './workspace.ts'

/** YOE_MIRRORS, then `mirrors` of local.star and of the project. @throws {YoeError} USAGE when YOE_MIRRORS is wrong */
export function declaredMirrors({ env, local, mirrors }: Workspace): Mirrors {
  return parseMirrors(env['YOE_MIRRORS'], local.settings.mirrors, mirrors)
}
