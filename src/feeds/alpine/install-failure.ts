import { YoeError } from '#engine/errors.ts'
import type { InstallInput } from '#engine/formats.ts'
import { takenHint } from '#engine/image/declared-accounts.ts'
import { fileClash } from '../shared/file-clashes.ts'
import { memoryFull, scriptFailed, type Tail } from '../shared/install.ts'
import { takenId } from './accounts.ts'

/** What went wrong, from what apk said: 2.14 or 3. */
export function installFailure(tail: Tail, input: Pick<InstallInput, 'packages' | 'logPath'>): YoeError {
  const text = tail.text()
  const log = { log: { path: input.logPath, tail: tail.lines() } }
  const failed = (message: string, hint?: string): YoeError => new YoeError('INSTALL_FAILED', message, { hint, ...log })
  const clash = /ERROR: (\S+): trying to overwrite (.+) owned by (\S+)\.\s*$/m.exec(text)
  if (clash !== null) {
    const [, comes = '', path = '', there = ''] = clash
    return fileClash({ comes: nameOf(comes), paths: [`/${path}`], there: nameOf(there) }, input.packages, log)
  }
  const script = /ERROR: (?:\S*\/)?([^\s/]+)\.((?:pre|post)-(?:install|upgrade|deinstall)|trigger): (.*)/.exec(text)
  if (script !== null) {
    const [, from = '', kind = ''] = script
    const name = nameOf(from)
    const taken = takenId(text)
    if (taken !== undefined) return failed(`${name} can't have its accounts: ${taken.why}`, takenHint(taken.kind))
    return scriptFailed(name, kind, log)
  }
  const need = unmet(text)
  if (need !== undefined) return failed(`the image's packages don't fit together: ${need}`)
  if (/No space left on device/.test(text)) return memoryFull(log)
  const said = /^ERROR: (.*)$/m.exec(text)?.[1] ?? tail.lines().at(-1) ?? ''
  const [, what, why] = /^(\S+-\d\S*-r\d+): (.*)$/.exec(said) ?? []
  if (what !== undefined) return failed(`apk can't install ${nameOf(what)}: ${why}`)
  return failed(`the packages can't be installed: ${said}`)
}

/** Who asks for what: `required by: app-1.0-r0[so:libmoon.so.1]`, `breaks: app-1.0-r0[!moon]`. */
function unmet(text: string): string | undefined {
  const [, from = '', kind = '', who = '', what = ''] =
    /^ {2}(\S+).*\n(?: {4}.*\n)*? {4}(required by|breaks|conflicts): (\S+?)\[(.*?)\]/m.exec(text) ?? []
  if (kind === '') return undefined
  if (who === 'world') return kind === 'required by' ? `${what} is missing` : `${nameOf(from)} does not fit`
  if (kind === 'required by') return `${nameOf(who)} needs ${what}`
  return `${nameOf(who)} ${what.startsWith('!') ? 'does not go with' : 'needs'} ${what.replace(/^!/, '')}`
}

/** The name in `NAME-VERSION-rN`. */
const nameOf = (id: string): string => id.replace(/-[^-]+-r\d+$/, '')
