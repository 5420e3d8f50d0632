import type { SigningKey } from '#engine/formats.ts'
import { type Addition, file } from '#engine/image/overlay.ts'
import { binaryKeyring } from '../keys/openpgp.ts'

/**
 * What makes a device trust and use its project's feed: a source in deb822 form and the key that signs the feed.
 *
 * @param feed `url` ends where `dists/` begins
 */
export async function deviceFeedFiles(feed: {
  readonly project: string
  readonly url: string
  readonly suite: string
  readonly key: SigningKey
}): Promise<readonly Addition[]> {
  const keyring = `etc/apt/keyrings/${feed.project}.gpg`
  const from = `the feed of ${feed.project}`
  const lines = [
    'Types: deb',
    `URIs: ${feed.url}`,
    `Suites: ${feed.suite}`,
    'Components: main',
    `Signed-By: /${keyring}`,
  ]
  return [
    file(keyring, Buffer.from(await binaryKeyring(feed.key)), from),
    file(`etc/apt/sources.list.d/${feed.project}.sources`, `${lines.join('\n')}\n`, from),
  ]
}
