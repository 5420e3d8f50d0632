/**
 * The night of a project on Alpine, in a repository with the workflow that we write for it. Its image is not booted: that the
 * test of examples/station does, and the night of Debian shows what boots in a cell.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { removeTree } from '#engine/build/tree.ts'
import { generateRsaKey } from '#feeds/keys/rsa.ts'
import { apk2, apk3 } from '../support/alpine/apk.ts'
import { alpineMirror } from '../support/alpine/mirror.ts'
import { smallToolchain, testModule, writeTestModule } from '../support/alpine/project.ts'
import { scratch } from '../support/project.ts'
import { arch, cellSummary, type Files, jobsOf, Scenes } from '../support/scenes.ts'
import { sharedCache } from '../support/shared-cache.ts'

const project = (feed: string): string => `project(
    name = "product",
    version = "1.0",
    defaults = defaults(machine = "qemu-x86_64", image = "system", distro = "alpine"),
    modules = [module("yoe:module-debian"), ${testModule}, module("yoe:module-core")],
    feed = feed(url = "${feed}", keys = ["keys/product.rsa.pub"]),
)
`

const files: Files = {
  'machines/box.star': '',
  'images/base.star': `image(
    name = "system",
    version = "1.0",
    artifacts = ["base", "app"],
)
`,
  'containers/toolchain.star': smallToolchain,
}

/** Files of a folder as texts, by their paths in it. */
function textsOf(folder: string): Files {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]))
}

async function opened(t: TestContext): Promise<Scenes> {
  const dir = mkdtempSync(join(tmpdir(), 'yoe-night-'))
  t.after(() => removeTree(dir))
  const scenes = await Scenes.open(join(dir, 'scenes'))
  t.after(() => scenes.close())
  return scenes
}

test('the night: the image of Alpine is released, its feed is on Pages, for both generations of apk', {
  skip: arch !== 'x86_64' && 'the cell is for x86_64',
  timeout: 900_000,
}, async (t) => {
  const scenes = await opened(t)
  const mirror = await alpineMirror(t, ['v3.23/main/x86_64', 'v3.23/community/x86_64'])
  const url = `${scenes.pages.url}/widgets`
  const key = await generateRsaKey('product')
  const modules = scratch(t)
  await writeTestModule(modules)
  const all: Files = {
    ...files,
    ...textsOf(modules),
    'PROJECT.star': project(url),
    'keys/product.rsa.pub': key.publicKey,
  }
  const night = await scenes.run(all, {
    event: 'schedule',
    secrets: { YOE_APK_SIGNING_KEY: key.privateKey },
    // A runner with the caches of all tests: what an empty one does is told by the pushes of the other scenes.
    env: { ...scenes.pages.env, YOE_MIRRORS: mirror.yoeMirrors, YOE_CACHE: sharedCache() },
  })
  for (const figure of scenes.figures) t.diagnostic(figure)
  assert.deepEqual(jobsOf(night), ['build success', 'ok success', 'plan success', 'publish success'], night.text)
  assert.match(cellSummary(night), /^## ✅ qemu-x86&#95;64\/system\n/)
  const cell = 'qemu-x86_64-system'
  assert.deepEqual(
    scenes.service.artifacts.map(({ name }) => name).sort(),
    [`feed-${cell}`, 'github-pages', `image-${cell}.img.zst`, `report-${cell}`].sort(),
  )
  const assets = scenes.github.releases.flatMap((release) => release.assets.map(({ name }) => name))
  assert.deepEqual(assets.sort(), [
    ...['SHA256SUMS', `image-${cell}.img.zst`, `report-${cell}.json`, `sbom-${cell}.spdx.json`],
  ])
  assert.match(night.summaries.join('\n'), /\d+ packages for alpine, signed by/)
  assert.deepEqual([scenes.pages.deployed, night.outputs['feed-url']], [[night.sha], url])
  for (const apk of [apk2, apk3]) {
    const options = { root: scratch(t), keys: scenes.pages.site, repositories: [`${url}/alpine`] }
    const added = await apk(['add', '--initdb', '--no-cache', '--no-scripts', 'app', 'product-keys'], options)
    assert.equal(added.code, 0, added.stdout + added.stderr)
    assert.ok(existsSync(join(options.root, 'usr/bin/app')))
  }
})
