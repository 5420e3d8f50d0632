// The command line's start: as little as possible happens before the command itself is loaded. In JavaScript, since what
// strips types takes longer to load than a warm command; everything else comes stripped from the cache of compiled code.
import { enableCompileCache, registerHooks } from 'node:module'
import { join } from 'node:path'

enableCompileCache(join(import.meta.dirname, '..', '..', '.tools', 'compile-cache'))

// What package.json's `imports` and relative paths mean, without looking for package.json files on the way to each.
const source = new URL('..', import.meta.url).href
registerHooks({
  resolve(specifier, context, next) {
    const from = specifier.startsWith('#') ? source : specifier.startsWith('.') ? context.parentURL : undefined
    if (!specifier.endsWith('.ts') || from?.startsWith(source) !== true) return next(specifier, context)
    const url = new URL(specifier.replace(/^#/, ''), from).href
    return { url, format: 'module-typescript', shortCircuit: true }
  },
})

const { main } = await import('./run.ts')
process.exitCode = await main(process.argv.slice(2))
