/**
 * Asks where the tags of src/toolkit/action-pins.ts are now, and that our workflows use that table: before a release, and
 * wherever there is a network. Usage: node scripts/check-action-pins.ts [BASE], where BASE is https://github.com by default.
 */
import { spawnSync } from 'node:child_process'
import { actionPins } from '../src/toolkit/action-pins.ts'

/** The commit of a tag; of one that is annotated the commit that it names. @returns undefined when there is none */
export function commitOfTag(listing: string, tag: string): string | undefined {
  const lines = listing.split('\n').map((line) => line.split('\t'))
  const of = (name: string): string | undefined => lines.find(([, ref]) => ref === `refs/tags/${name}`)?.[0]
  return of(`${tag}^{}`) ?? of(tag)
}

if (process.argv[1] === import.meta.filename) {
  const base = process.argv[2] ?? 'https://github.com'
  for (const [action, { version, commit }] of Object.entries(actionPins)) {
    const asked = ['ls-remote', '--tags', `${base}/${action}`, `refs/tags/${version}`, `refs/tags/${version}^{}`]
    const { status, stdout, stderr } = spawnSync('git', asked, { encoding: 'utf8' })
    const found = status === 0 ? commitOfTag(stdout, version) : undefined
    if (found === commit) console.log(`${action} ${version} is at ${commit}`)
    else {
      process.exitCode = 1
      const instead = status === 0 ? (found ?? 'nowhere') : stderr.trim()
      console.error(`${action} ${version} should be at ${commit}, and is: ${instead}`)
    }
  }
}
