import { generateOpenPgpKey } from '../keys/openpgp.ts'
import { publishBucket } from '../publish/bucket.ts'
import { publishDirectory } from '../publish/directory.ts'
import { importSite } from '../publish/live-site.ts'
import type { Publisher } from '../publish/publisher.ts'
import { keyringPath, sourceLines, sourcePath } from './device-feed.ts'
import { keyringName, keyringPackage, signingKeys, trustedKeys } from './keyring-package.ts'

export const debianPublisher: Publisher = {
  keyUse: 'feed',
  folder: 'debian',
  extension: '.deb',
  tool: 'apt-get',
  generateKey: (project) => generateOpenPgpKey(project),
  keyringPackage,
  trustedKeys,
  signingKeys,
  publishDirectory,
  publishBucket,
  importSite,
  keyFile: async (project) => `${project}.gpg`,
  installSnippet: async ({ project, suite, url }) => [
    `curl -fsSo /${keyringPath(project)} ${url}/${project}.gpg`,
    `printf '${sourceLines({ project, suite, url }).join('\\n')}\\n' > /${sourcePath(project)}`,
    'apt-get update',
    // With it installed, a device follows when the feed's key is replaced.
    `apt-get install ${keyringName(project)}`,
  ],
}
