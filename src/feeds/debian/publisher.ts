import { generateOpenPgpKey } from '../keys/openpgp.ts'
import { publishBucket } from '../publish/bucket.ts'
import { publishDirectory } from '../publish/directory.ts'
import { importSite } from '../publish/live-site.ts'
import type { Publisher } from '../publish/publisher.ts'
import { keyringName, keyringPackage } from './keyring-package.ts'

export const debianPublisher: Publisher = {
  keyUse: 'feed',
  folder: 'debian',
  extension: '.deb',
  generateKey: (project) => generateOpenPgpKey(project),
  keyringPackage,
  publishDirectory,
  publishBucket,
  importSite,
  installSnippet: async ({ project, suite, url }) => [
    `curl -fsSo /etc/apt/keyrings/${project}.gpg ${url}/${project}.gpg`,
    `printf 'Types: deb\\nURIs: ${url}/debian\\nSuites: ${suite}\\nComponents: main\\nSigned-By: /etc/apt/keyrings/${project}.gpg\\n' > /etc/apt/sources.list.d/${project}.sources`,
    'apt-get update',
    // With it installed, a device follows when the feed's key is replaced.
    `apt-get install ${keyringName(project)}`,
  ],
}
