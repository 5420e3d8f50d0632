import { cleanLine, neutralise } from '#engine/build/log.ts'

/** Text of projects, servers and builds, fit for any terminal and for the log of a CI job: one line. */
export function shown(text: string): string {
  return neutralise(cleanLine(text))
}
