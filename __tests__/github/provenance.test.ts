/**
 * J2, as far as it is ours: GitHub's action attests what the file `checksums` names, and nothing else. So that file names
 * each file of the release with its bytes, and who compares them with it finds what was changed, taken away or added.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { cellAction } from '#github/cell-action.ts'
import { publishAction } from '#github/publish-action.ts'
import { actionPins } from '#toolkit/action-pins.ts'
import { parseAction } from '../../scripts/action-docs.ts'
import { type Subject, subjectsOf } from '../fixtures/attest/subjects.ts'
import { fakeHost } from '../support/action-host.ts'
import { openEngine } from '../support/fake-engine.ts'
import { type GitHub, startGitHub } from '../support/github-rest.ts'
import { checkout } from '../support/project.ts'
import { type ResultsService, startResultsService } from '../support/results-service.ts'

let dir: string
let github: GitHub
let service: ResultsService
/** What the attestation is about. */
let subjects: readonly Subject[]
/** What anybody downloads of the release, by name. */
let files: ReadonlyMap<string, Buffer>

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'yoe-provenance-'))
  github = await startGitHub()
  service = await startResultsService({ dir: join(dir, 'store') })
  const env = { ...service.env(), GITHUB_API_URL: github.url, YOE_SETUP: 'false' }
  Object.assign(process.env, service.env())
  const workspace = join(dir, 'work')
  mkdirSync(join(workspace, 'units'), { recursive: true })
  writeFileSync(join(workspace, 'units/app.txt'), '\nhello')
  const options = { dir, workspace, env, event: 'schedule', payload: { repository: { default_branch: 'main' } } }
  const cells = { cell: 'box/base, box/other', upload: 'image, feed, report' }
  await cellAction(fakeHost({ ...options, inputs: cells }), 'image', openEngine)
  const inputs = { 'signing-key': 'k', upload: 'false', release: 'nightly', 'github-token': 't' }
  const run = fakeHost({ ...options, inputs })
  await publishAction(run, openEngine)
  assert.equal(run.outputs['attestable'], 'true')
  subjects = subjectsOf(run.outputs['checksums'] ?? '')
  files = new Map(github.releases[0]?.assets.map(({ name, bytes }) => [name, bytes]))
})
after(async () => {
  await Promise.all([github.close(), service.close()])
  rmSync(dir, { recursive: true, force: true })
})

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Whether a file is one that the attestation is about: what `gh attestation verify` asks, beside who signed. */
const proven = (_name: string, bytes: Buffer, all = subjects): boolean =>
  all.some(({ digest }) => digest['sha256'] === sha256(bytes))
/** The control: who believes names. */
const named = (name: string, _bytes: Buffer, all = subjects): boolean => all.some((one) => one.name === name)

test('each published file is attested as it is published, and nothing else is', () => {
  const published = [...files].filter(([name]) => name !== 'SHA256SUMS')
  assert.equal(published.length, 6, 'two images, each with its report and its contents')
  assert.deepEqual(
    subjects,
    published
      .map(([name, bytes]) => ({ name, digest: { sha256: sha256(bytes) } }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  )
  // What stands in the release is what was attested.
  assert.deepEqual(subjectsOf(files.get('SHA256SUMS')?.toString() ?? ''), subjects)
  for (const [name, bytes] of published) assert.ok(proven(name, bytes), name)
})

const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}
const ofThis = (name = 'image-box-base.img.zst'): Buffer => files.get(name) ?? Buffer.alloc(0)
for (const [name, forge] of [
  ['a bit of it is flipped', () => flipped(ofThis(), 3)],
  ['its end is missing', () => ofThis().subarray(0, -1)],
  ['something is added to it', () => Buffer.concat([ofThis(), Buffer.from('\n')])],
  ['it is empty', () => Buffer.alloc(0)],
  ['it is the list of checksums itself', () => ofThis('SHA256SUMS')],
] as const)
  test(`a file of an attested name is refused when ${name}`, () => {
    assert.ok(!proven('image-box-base.img.zst', forge()))
    assert.ok(named('image-box-base.img.zst', forge()), 'the control is taken in')
  })

test('no proof of another release, of other files, or none at all proves these', () => {
  const bytes = ofThis()
  const other = subjects.map(({ name }) => ({ name, digest: { sha256: sha256(Buffer.from(name)) } }))
  const without = subjects.filter(({ digest }) => digest['sha256'] !== sha256(bytes))
  for (const all of [other, [], without]) {
    assert.ok(!proven('image-box-base.img.zst', bytes, all))
    if (all === other) assert.ok(named('image-box-base.img.zst', bytes, all), 'the control is taken in')
  }
})

test('lines that are no checksums are no subjects, and digests of another length are refused', () => {
  assert.deepEqual(subjectsOf('no-space\n\n'), [])
  assert.deepEqual(subjectsOf(`${'a'.repeat(64)} *x y`), [{ name: 'x y', digest: { sha256: 'a'.repeat(64) } }])
  assert.throws(() => subjectsOf(`${'a'.repeat(40)}  x`), /Invalid digest/)
})

test('the step that attests gives the action what it takes', () => {
  const { inputs } = parseAction(readFileSync(join(checkout, '__tests__/fixtures/attest/action.yml'), 'utf8'))
  const takes = new Set(inputs.map(({ name }) => name))
  const { commit, version } = actionPins['actions/attest-build-provenance']
  const places = ['.github/workflows/images.yml', '.github/workflows/nightly.yml', 'docs/add-to-your-repository.md']
  for (const place of places) {
    const text = readFileSync(join(checkout, place), 'utf8')
    const [, uses = '', given = ''] =
      /uses: actions\/attest-build-provenance(\S+ # \S+)\n +with: \{ (.*) \}\n/.exec(text) ?? []
    assert.equal(uses, `@${commit} # ${version}`, place)
    assert.equal(given, `subject-checksums: "\${{ steps.publish.outputs.checksums }}"`, place)
    assert.ok(takes.has(given.split(':')[0] ?? ''))
    assert.match(text, /- if: steps\.publish\.outputs\.attestable == 'true'\n +uses: actions\/attest/, place)
  }
  assert.ok(!takes.has('checksums'), 'the control')
})
