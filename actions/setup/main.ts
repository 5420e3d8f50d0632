import { runAction } from '#github/host.ts'
import { setupAction } from '#github/prepare.ts'

await runAction((host) => setupAction(host))
