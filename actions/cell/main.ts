import { cellAction } from '#github/cell-action.ts'
import { runAction } from '#github/host.ts'

await runAction((host) => cellAction(host, 'boot-test'))
