/** D1-D9: packages of a feed, rightly signed, whose files are made to harm, before Alpine's own apk in our installer. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { removeTree } from '../../../src/engine/build/tree.ts'
import { YoeError } from '../../../src/engine/errors.ts'
import { readTar } from '../../../src/engine/image/tar-read.ts'
import { unpackRoot } from '../../../src/engine/image/unpack-root.ts'
import { readZstd } from '../../../src/engine/image/zstd.ts'
import { apk, hostileTars } from './hostile-tars.ts'
import { branchClosure, entryOf, install, toolsRoot, worker } from './roots.ts'

const usable = await worker.probe()
const skip = usable.ok ? false : `${usable.reason} (${usable.hint})`

const wanted =
  /^D1: (above|from)|^D2|^D3: a link, and a(nother name of a)? file|^D4: another name of a file|^D5|^D6: a sparse|^D7: one name|^D8: an entry|^D9: a name/

test('nothing of it is outside of the root, or in it as a device; the rest of a root is as it was', {
  skip,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-hostile-'))
  t.after(() => removeTree(folder))
  const branch = 'v3.20'
  const tools = await toolsRoot(branch)
  const base = join(folder, 'base.tar.zst')
  await install(base, await branchClosure(branch, ['alpine-baselayout', 'busybox', 'busybox-binsh']), { tools })
  const before = await paths(base)
  let tried = 0
  for (const [what, { tar, data = gzipSync(tar) }] of Object.entries(hostileTars)) {
    if (!wanted.test(what)) continue
    tried++
    const path = join(folder, 'app-1.0-r0.apk')
    await writeFile(path, apk(data))
    const output = join(folder, `${tried}.tar.zst`)
    const failure: unknown = await install(output, [await entryOf(path)], { tools, base }).then(
      () => undefined,
      (error: unknown) => error,
    )
    assert.deepEqual(
      ['etc/yoe-was-here', 'beside', 'inside-evil'].filter((name) => existsSync(`/${name}`)),
      [],
      what,
    )
    assert.deepEqual(
      (await readdir(folder)).filter((name) => /beside|evil|inside/.test(name)),
      [],
      what,
    )
    if (failure !== undefined) {
      assert.ok(failure instanceof YoeError, String(failure))
      assert.ok(['INSTALL_FAILED', 'ARCHIVE_UNSAFE'].includes(failure.code), failure.code)
      assert.ok(!existsSync(output), what)
      continue
    }
    const after = await paths(output)
    for (const [name, type] of before) assert.equal(after.get(name), type, `${what}: ${name}`)
    for (const [name, type] of after)
      assert.ok(['file', 'directory', 'symlink', 'hardlink'].includes(type), `${what}: ${name}`)
    // A container's root is unpacked from it.
    const dest = join(folder, `root-${tried}`)
    await unpackRoot({ tar: output, dest })
    await removeTree(dest)
  }
  assert.ok(tried >= 12, String(tried))
})

async function paths(tar: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for await (const { entry } of readTar(readZstd(tar), tar)) found.set(entry.path, entry.type)
  return found
}
