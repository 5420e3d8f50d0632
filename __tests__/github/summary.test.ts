import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BootReport } from '#bsp/boot-report.ts'
import { YoeError } from '#engine/errors.ts'
import { deltaOf } from '#github/delta.ts'
import type { CellReport, UnitReport } from '#github/engine-port.ts'
import { bytes, renderCache, renderSummary, type SummaryInput } from '#github/summary.ts'
import { renderPlan, renderPublish } from '#github/summary-plan.ts'

/** Compares with golden/<name>.md; UPDATE_GOLDEN=1 writes it. */
function golden(name: string, text: string): void {
  const file = join(import.meta.dirname, 'golden', `${name}.md`)
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text)
  assert.equal(text, readFileSync(file, 'utf8'))
}

const at = { file: 'units/app.star', line: 7, column: 1 }
const units: readonly UnitReport[] = [
  { name: 'zlib', outcome: 'restored', why: '', ms: 40 },
  { name: 'toolchain-gcc', outcome: 'cached', why: '', ms: 0 },
  { name: 'app', outcome: 'built', why: 'source changed: src/main.c', ms: 12_300, at },
]
const report: CellReport = {
  cell: 'qemu-x86_64/base-image',
  machine: 'qemu-x86_64',
  image: 'base-image',
  distro: 'trixie',
  arch: 'x86_64',
  units,
  disk: { path: '/tmp/x.img', sha256: 'ab'.repeat(32), size: 312_000_000 },
  packages: [
    { name: 'app', version: '1.1-r0', size: 52_000 },
    { name: 'libc6', version: '2.41', size: 3_000_000 },
    { name: 'zlib1g', version: '1.3.1', size: 90_000 },
  ],
  boot: {
    image: 'base-image',
    machine: 'qemu-x86_64',
    arch: 'x86_64',
    ok: true,
    acceleration: 'kvm',
    stages: [
      { name: 'kernel', ms: 900 },
      { name: 'login', ms: 5200 },
      { name: 'ssh', ms: 6100 },
    ],
    checks: [{ name: 'app answers', ok: true, ms: 300, output: '' }],
    serialLog: '/tmp/serial.log',
    ms: 9000,
  },
}
const base = {
  packages: [
    { name: 'app', version: '1.0-r0', size: 50_000 },
    { name: 'libc6', version: '2.41', size: 3_000_000 },
    { name: 'old', version: '3', size: 1000 },
  ],
  imageBytes: 311_000_000,
}
const delta = deltaOf(base, { packages: report.packages ?? [], imageBytes: 312_000_000 })
const cache = {
  hits: 1,
  misses: 1,
  saved: 1,
  existing: 0,
  refused: 0,
  faults: 0,
  bytesRestored: 90_000,
  bytesSaved: 52_000,
}
const plain: SummaryInput = {
  title: report.cell,
  ms: 96_000,
  localCommand: `yoe ci --cell ${report.cell}`,
  units,
  annotations: [],
}

test('a good run', () => {
  golden(
    'good',
    renderSummary({
      ...plain,
      report,
      delta,
      artifacts: [{ name: 'image-base', url: 'https://github.com/octo/widgets/actions/runs/1/artifacts/2' }],
    }) + renderCache(cache),
  )
})

test('a failed unit: its name, task, place, last lines and command come first', () => {
  const error = new YoeError('TASK_FAILED', 'the task build exited with 2', {
    unit: 'app',
    at,
    hint: 'see the last lines below',
  })
  const tail = Array.from({ length: 60 }, (_, i) =>
    i === 59 ? '\x1b[31mmain.c:3: error: expected <x> & "y"\x1b[0m' : `cc line ${i}`,
  )
  const failed = units.map((unit): UnitReport => (unit.name === 'app' ? { ...unit, outcome: 'failed' } : unit))
  const text = renderSummary({
    ...plain,
    units: failed,
    failure: { errors: [error], tails: [tail] },
  })
  assert.match(renderCache({ ...cache, refused: 2, faults: 1 }), /2 not saved: this run may only read · ⚠️ 1 failed/)
  golden('failed', text)
  const first = text.split('\n').slice(0, 50).join('\n')
  for (const part of ['app', 'TASK&#95;FAILED', 'units/app.star', 'cc line 20', 'expected &lt;x&gt;', 'yoe ci --cell'])
    assert.ok(first.includes(part) || first.includes(part.replace('&#95;', '_')), part)
  assert.ok(!first.includes('cc line 19'))
})

test('a failed boot test', () => {
  const boot: BootReport = {
    ...{ image: 'base-image', machine: 'qemu-x86_64', arch: 'x86_64', ms: 300_000 },
    ...report.boot,
    ok: false,
    acceleration: 'tcg',
    stages: [{ name: 'kernel', ms: 9000 }],
    serialLog: '/s',
    reason: 'no login prompt within 300 s',
    checks: [{ name: 'a|b', ok: false, ms: 20, output: 'no\n| pipe <script>' }],
  }
  golden(
    'boot-failed',
    renderSummary({
      ...plain,
      report: { ...report, boot },
      failure: { errors: [new YoeError('BOOT_FAILED', 'base-image did not pass')], tails: [] },
    }),
  )
})

test('a read-only run, the plan, and a published feed', () => {
  golden(
    'notes',
    renderSummary({
      ...plain,
      units: [],
      notes: ['Nothing was saved for other runs: a pull request from a fork may only read.'],
    }),
  )
  const cell = { cell: 'a/b', machine: 'a', image: 'b', distro: 'trixie', arch: 'x86_64' } as const
  golden(
    'plan',
    renderPlan({ include: [{ ...cell, name: 'a/b', runner: 'ubuntu-24.04' }] }, [{ ...cell, cell: 'c/d' }]),
  )
  golden(
    'publish',
    renderPublish(
      {
        dir: '/x',
        url: 'https://octo.github.io/widgets',
        imported: { packages: 2, fetched: 0 },
        packages: 5,
        feeds: [
          {
            ...{ distro: 'debian', tool: 'apt-get', packages: 3, keyring: 'widgets.gpg', keyFingerprint: 'ABCD EF' },
            install: 'curl -o /etc/apt/keyrings/x.pgp <url>\napt update',
          },
          {
            ...{ distro: 'alpine', tool: 'apk', packages: 2, keyring: 'widgets.rsa.pub', keyFingerprint: '0123' },
            install: 'apk update',
          },
        ],
      },
      [],
    ),
  )
})

// faults.md H7
test('names and logs are text, whatever they hold', () => {
  const evil =
    '</td><script>x</script>|a`b`[l](javascript:x)![i](http://e/i.png)\n# h\n<!-- @octo #1 https://e.example *b* __c__ ~~d~~ \u202e'
  const error = new YoeError('TASK_FAILED', evil, { unit: evil, hint: evil, at: { ...at, file: evil } })
  const text = renderSummary({
    ...plain,
    title: evil,
    localCommand: evil,
    units: [{ name: evil, outcome: 'failed', why: evil, ms: 1 }],
    failure: { errors: [error], tails: [['</pre>', evil]] },
    annotations: Array.from(
      { length: 12 },
      () => ({ level: 'warning', shown: false, message: evil, file: evil, line: 1 }) as const,
    ),
    notes: [evil],
    artifacts: [{ name: evil, url: `https://x/${evil}` }],
  })
  const outside = text.replaceAll(/<pre>[\s\S]*?<\/pre>/g, '')
  assert.doesNotMatch(text, /<script|<!--|<\/td>/)
  assert.doesNotMatch(outside, /!\[|\]\(javascript|^# h|@octo|\*b\*|__c__|~~d/m)
  assert.equal(text.match(/<pre>/g)?.length, text.match(/<\/pre>/g)?.length)
  for (const row of outside.split('\n').filter((line) => line.startsWith('| &#60;')))
    assert.equal(row.match(/(?<!\\)\|/g)?.length, 5)
})

test('a huge project stays below what GitHub drops, its verdict first', () => {
  const many = Array.from(
    { length: 50_000 },
    (_, i): UnitReport => ({
      name: `unit-${i}`,
      outcome: i % 2 === 0 ? 'built' : 'restored',
      why: 'w'.repeat(3000),
      ms: 1,
    }),
  )
  const errors = many.map(({ name }) => new YoeError('TASK_FAILED', 'm'.repeat(5000), { unit: name }))
  const text = renderSummary({
    ...plain,
    units: many,
    failure: { errors, tails: errors.map(() => Array.from({ length: 50 }, () => 'l'.repeat(1000))) },
    annotations: [],
  })
  assert.ok(Buffer.byteLength(text) <= 900_000)
  assert.match(text, /^## ❌[\s\S]*<b>unit-0<\/b>: m{2000}[\s\S]*<pre>l{500}…\n/)
  // The control: what is to be told is more than GitHub takes.
  assert.ok(Buffer.byteLength(many.map(({ name, why }) => `| ${name} | ${why} |`).join('\n')) > 1 << 20)
  const small = renderSummary({ ...plain, units: many.map((unit) => ({ ...unit, why: '' })) })
  // 200 rows, the header, and the rest of the allowance for those that were restored: none.
  assert.equal(small.match(/^\| unit/gm)?.length, 201)
})

test('a small part of a page says what went wrong, in fewer words', () => {
  const errors = Array.from(
    { length: 300 },
    (_, i) => new YoeError('TASK_FAILED', `it broke ${i}`, { unit: `unit-${i}` }),
  )
  const tails = errors.map(() => Array.from({ length: 40 }, () => 'log '.repeat(50)))
  for (const [most, shown, logs] of [
    [900_000, 200, 5],
    [50_000, 200, 5],
    [20_000, 20, 1],
    [1_500, 3, 0],
  ] as const) {
    const text = renderSummary({ ...plain, failure: { errors, tails } }, most)
    assert.ok(Buffer.byteLength(text) <= most, `${Buffer.byteLength(text)} of ${most}`)
    assert.equal(text.match(/^- <b>unit/gm)?.length, shown)
    assert.equal(text.match(/<pre>log/g)?.length ?? 0, logs)
    assert.match(text, new RegExp(`- and ${300 - shown} more\\n\\nReproduce: `))
  }
})

test('sizes', () => {
  assert.deepEqual([0, 999, 1000, 52_400, 3e6, 5.25e9, 7e12].map(bytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '52.4 kB',
    '3.0 MB',
    '5.3 GB',
    '7000.0 GB',
  ])
})
