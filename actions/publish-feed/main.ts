import { runAction } from '#github/host.ts'
import { publishAction } from '#github/publish-action.ts'

await runAction((host) => publishAction(host))
