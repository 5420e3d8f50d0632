import { runAction } from '#github/host.ts'
import { planAction } from '#github/plan-action.ts'

await runAction((host) => planAction(host))
