import type { Arch } from '#engine/arch.ts'
import type { YoeError } from '#engine/errors.ts'

const bootStages = ['start', 'firmware', 'kernel', 'init', 'login', 'ssh', 'checks', 'power-off'] as const
export type BootStage = (typeof bootStages)[number]

export interface CheckReport {
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  /** The last lines of what it printed, clean. */
  readonly output: string
}

/** What a boot test found. Survives JSON but for `errors`, whose texts are in `reason`. */
export interface BootReport {
  readonly image: string
  readonly machine: string
  readonly arch: Arch
  readonly ok: boolean
  readonly acceleration: 'kvm' | 'tcg'
  /** Why not KVM. */
  readonly accelerationReason?: string
  /** Stages reached, in order, each with the milliseconds since QEMU was started. */
  readonly stages: readonly { readonly name: BootStage; readonly ms: number }[]
  readonly checks: readonly CheckReport[]
  /** Absolute. */
  readonly serialLog: string
  /** From QEMU's start to its end. */
  readonly ms: number
  /** Why it is not ok: one line per error. */
  readonly reason?: string
}

/** @param errors none when the test passed */
export interface BootOutcome {
  readonly report: BootReport
  readonly errors: readonly YoeError[]
}

/** What XML 1.0 can't hold, not even escaped. */
const unspeakable = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu

const xml = (text: string): string =>
  text
    .replaceAll(unspeakable, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')

const seconds = (ms: number): string => (ms / 1000).toFixed(3)

/** The report as JUnit XML: one test case for the boot, one per check. */
export function junit(report: BootReport): string {
  const suite = `${report.machine}/${report.image}`
  const login = report.stages.find(({ name }) => name === 'ssh')?.ms
  const cases = [
    { name: 'boot', ok: report.ok || login !== undefined, ms: login ?? report.ms, output: report.reason ?? '' },
    ...report.checks,
    ...(report.ok || login === undefined || report.checks.some(({ ok }) => !ok)
      ? []
      : [{ name: 'power-off', ok: false, ms: report.ms, output: report.reason ?? '' }]),
  ]
  const failures = cases.filter(({ ok }) => !ok).length
  const body = cases.map(({ name, ok, ms, output }) => {
    const open = `    <testcase classname="${xml(suite)}" name="${xml(name)}" time="${seconds(ms)}"`
    return ok
      ? `${open}/>`
      : `${open}>\n      <failure message="${xml(name)} failed">${xml(output)}</failure>\n    </testcase>`
  })
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    `  <testsuite name="${xml(suite)}" tests="${cases.length}" failures="${failures}" time="${seconds(report.ms)}">`,
    ...body,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n')
}
