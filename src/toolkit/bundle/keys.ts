import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Trust } from '#engine/store/manifest.ts'
import { parseKeyFile, parseNamedKey, trustIn } from '#engine/store/named-keys.ts'
import type { CacheSigner } from '#engine/store/signing.ts'
import { parseCacheSigner } from '#engine/store/signing.ts'
import { readKeyFile } from '#feeds/keys/key-file.ts'
import { cacheTrustOf, type KeyPlace } from '../cache-trust.ts'
import type { Workspace } from '../workspace.ts'

/**
 * The private key in a file.
 * @throws {YoeError} KEY_INVALID when others may read it too, it lies in the project, or is no key
 */
export async function signerFrom({ cwd, root }: Pick<Workspace, 'cwd' | 'root'>, file: string): Promise<CacheSigner> {
  const text = await readKeyFile(resolve(cwd, file), root)
  if (text !== undefined) return parseCacheSigner(text)
  throw new YoeError('KEY_INVALID', `there is no key ${file}`, {
    hint: 'yoe key show cache says where the project has its own',
  })
}

/** Whom to believe about a bundle: the keys of `asked` (a file, or one key itself), else those of the project. */
export async function bundleTrust(
  place: KeyPlace & { readonly workspace: Pick<Workspace, 'cwd' | 'report'> },
  asked: string | undefined,
): Promise<Trust> {
  if (asked === undefined) {
    const { trust } = await cacheTrustOf(place, 'trusted', () => {})
    return { ...trust, unsigned: false }
  }
  return trustIn(namedKeys(place.workspace.cwd, asked), Date.now())
}

function namedKeys(cwd: string, asked: string): ReturnType<typeof parseKeyFile> {
  if (asked.startsWith('ed25519:')) return [parseNamedKey(asked, { file: '--verify', line: 1, column: 1 })]
  let text: string
  try {
    text = readFileSync(resolve(cwd, asked), 'utf8')
  } catch (cause) {
    throw new YoeError('KEY_INVALID', `the public key ${asked} can't be read`, {
      hint: 'yoe key export cache prints it, where the bundle is made',
      cause,
    })
  }
  return parseKeyFile(text, asked)
}
