import { generateRsaKey } from '../keys/rsa.ts'
import type { Publisher } from '../publish/publisher.ts'
import { importSite } from './import-site.ts'
import { keyringPackage, signingKeys, trustedKeys } from './keyring-package.ts'
import { publishBucket } from './publish-bucket.ts'
import { publishDirectory } from './publish-directory.ts'
import { trustedFile, useCommands } from './published.ts'

export const alpinePublisher: Publisher = {
  keyUse: 'apk',
  folder: 'alpine',
  extension: '.apk',
  tool: 'apk',
  generateKey: (project) => generateRsaKey(project),
  keyringPackage,
  trustedKeys,
  signingKeys,
  publishDirectory,
  publishBucket,
  importSite,
  keyFile: trustedFile,
  installSnippet: ({ project, url, key }) => useCommands(project, url, key, true),
}
