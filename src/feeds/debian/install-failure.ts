import { YoeError } from '#engine/errors.ts'
import type { InstallInput } from '#engine/formats.ts'
import { fileClash } from '../shared/file-clashes.ts'
import { memoryFull, scriptFailed, type Tail } from '../shared/install.ts'

/** What went wrong, from what apt and dpkg said. */
export function installFailure(tail: Tail, input: Pick<InstallInput, 'packages' | 'logPath'>): YoeError {
  const text = tail.text()
  const log = { log: { path: input.logPath, tail: tail.lines('dpkg: error') } }
  const clash =
    /error processing archive (?:\S*\/)?(?:\d+-)?([^\s_/]+)_\S* .*\n\s*trying to overwrite '(.+)', which is also in package (\S+)/.exec(
      text,
    )
  if (clash !== null) {
    const [, comes = '', path = '', there = ''] = clash
    return fileClash({ comes, paths: [path], there: there.replace(/:.*/, '') }, input.packages, log)
  }
  const script = /(?:new|installed|old) (\S+) package (\S+) script/.exec(text)
  if (script !== null) {
    const [, name = '', kind = ''] = script
    return scriptFailed(name, kind, log)
  }
  const error = /dpkg: error processing (?:package|archive) (\S+) .*\n\s*(.*)/.exec(text)
  if (error !== null) return new YoeError('INSTALL_FAILED', `dpkg can't install ${error[1]}: ${error[2]}`, { ...log })
  const need = unmet(text)
  if (need !== undefined) return new YoeError('INSTALL_FAILED', `the image's packages don't fit together: ${need}`, log)
  if (/No space left on device/.test(text)) return memoryFull(log)
  const said = /^E: (.*)$/m.exec(text)?.[1] ?? tail.lines('dpkg: error').at(-1) ?? ''
  return new YoeError('INSTALL_FAILED', `the packages can't be installed: ${said}`, log)
}

/** Who asks for what, in the words of apt 3 or of older ones. */
function unmet(text: string): string | undefined {
  const solver = [...text.matchAll(/^\s*\d+\. (\S+?)(?::\S+)? ((?:Pre)?Depends|Conflicts|Breaks) (.+)$/gm)].at(-1)
  const classic = /unmet dependencies:\n\s*(\S+) : ((?:Pre)?-?Depends|Conflicts|Breaks): (.+)$/m.exec(text)
  const [, who, how, what] = solver ?? classic ?? []
  if (who === undefined) return undefined
  return /Depends/.test(how ?? '') ? `${who} needs ${what}` : `${who} does not go with ${what}`
}
