import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { binfmtFolder, emulationOf, registerEmulators } from '#engine/build/binfmt.ts'
import { userErrors } from '#engine/errors.ts'

/** Why other architectures can't be built here, after trying what `yoe container binfmt` does. */
export async function unusable(t: TestContext, arch: 'arm64' | 'riscv64'): Promise<string | undefined> {
  if ((await emulationOf(arch)).kind !== 'missing') return undefined
  try {
    const done = await registerEmulators([arch])
    const mine = done.filter(({ outcome }) => outcome === 'registered')
    const file = arch === 'arm64' ? 'qemu-aarch64' : 'qemu-riscv64'
    if (mine.length > 0) t.after(() => writeFileSync(join(binfmtFolder, file), '-1', { flag: 'r+' }))
    return done[0]?.outcome === 'no emulator' ? done[0].hint : undefined
  } catch (failure) {
    const [error] = userErrors(failure) ?? []
    if (error === undefined) throw failure
    return `${error.message}: ${error.hint}`
  }
}
