import { userErrors } from '#engine/errors.ts'
import type { LocalKey } from '#toolkit/local/settings.ts'
import { localKeys } from '#toolkit/local/settings.ts'
import type { Literal } from '#toolkit/local/syntax.ts'
import type { Workspace } from '#toolkit/workspace.ts'

/**
 * Keeps an option in local.star, for the next time and for those who start builds without options. Not in CI, where a
 * checkout has no next time; that it can't be written is no reason not to go on.
 */
export async function remember(workspace: Workspace, key: LocalKey, value: Literal): Promise<void> {
  const { root, env, report, signal, local } = workspace
  const read = localKeys[key].read(value)
  if ((env['CI'] ?? '') !== '' || (typeof read !== 'string' && read.value === local.settings[key])) return
  const { writeLocal } = await import('#toolkit/local/write.ts')
  try {
    const changed = await writeLocal(root, new Map([[key, value]]), signal)
    if (changed) report({ type: 'notice', message: `${key} is kept in local.star` })
  } catch (failure) {
    const [error] = userErrors(failure) ?? []
    if (error === undefined || error.code === 'CANCELLED') throw failure
    report({ type: 'warning', message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) })
  }
}
