import { homedir, hostname } from 'node:os'

/** A name that could also be a word says nothing: many machines are called build or debian. */
const distinct = /^(?=.*[0-9-])[A-Za-z0-9][A-Za-z0-9.-]{5,}$/

/** What would betray in a package that it was made on this machine: its name, the folder of the build, a user's home. */
export function tracesOfThisMachine(buildRoot: string): readonly string[] {
  const home = homedir()
  const deep = (path: string): boolean => path.split('/').length > 2
  return [...(distinct.test(hostname()) ? [hostname()] : []), ...[buildRoot, home].filter(deep)]
}
