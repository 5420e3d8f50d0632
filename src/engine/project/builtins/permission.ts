import type { Permission } from '../model.ts'
import type { Reader } from '../readers.ts'
import { Mismatch, text } from '../readers.ts'

const modeText = /^[0-7]{3,4}$/
const ownerText = /^([a-z_][a-z0-9_-]{0,31})(?::([a-z_][a-z0-9_-]{0,31}))?$/
const capabilitiesText = /^cap_[a-z_]+(?:,cap_[a-z_]+)*[=+][eip]{1,3}$/

/** `"4755"`, `"0750 app:adm"`, `"cap_net_raw+ep"`: a mode, an owner and file capabilities, those that are wanted. */
export const permission: Reader<Permission> = (value) => {
  const said = text(value)
  const words = said.split(/\s+/).filter((word) => word !== '')
  const [mode, ...modes] = words.filter((word) => modeText.test(word))
  const [capabilities, ...more] = words.filter((word) => capabilitiesText.test(word))
  const [owner, ...owners] = words.filter((word) => ownerText.test(word))
  const known = [mode, capabilities, owner].filter((word) => word !== undefined)
  if (words.length === 0 || known.length < words.length || [...modes, ...more, ...owners].length > 0)
    throw new Mismatch(
      `can't be ${JSON.stringify(said)}; write a mode, an owner or capabilities, such as "4755", "0750 app:app" or "cap_net_raw+ep"`,
    )
  const [, user, group = user] = ownerText.exec(owner ?? '') ?? []
  return {
    ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }),
    ...(user === undefined || group === undefined ? {} : { owner: { user, group } }),
    ...(capabilities === undefined ? {} : { capabilities }),
  }
}
