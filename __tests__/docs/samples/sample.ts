import type { Texts } from '../../support/project.ts'

/**
 * What the original's documentation shows of the configuration language, one entry for each code sample: what it uses, in
 * words of our own.
 */
export interface Sample {
  /** Where it stands there. */
  readonly section: string
  readonly texts: Texts
  /** The machine that is chosen. */
  readonly machine?: string
  /** `file:line: CODE message` of the first error, for what is different here; docs/conformance.md has the reason. */
  readonly said?: string
  /** Names of units that the sample declares, in order of evaluation: checked where it works. */
  readonly units?: readonly string[]
}

export type Samples = Readonly<Record<string, Sample>>

export const core = 'project(name = "demo", version = "1.0", modules = [module("yoe:module-core")])\n'
export const autotools = 'load("@module-core//classes/autotools.star", "autotools")\n'
export const systemd = 'load("@module-core//classes/systemd.star", "systemd_service")\n'
