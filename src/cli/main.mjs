// The command line's start: as little as possible happens before the command itself is loaded.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

enableCompileCache(join(import.meta.dirname, '..', '..', '.tools', 'compile-cache'))
const { main } = await import('./run.ts')
process.exitCode = await main(process.argv.slice(2))
