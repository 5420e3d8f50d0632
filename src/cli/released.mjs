#!/usr/bin/env node
// The command line's start in a release, where the bundle lies beside this file. It says which Node is needed in a way that
// older ones can read; what is compiled is kept for the next command, in a folder that only this user can write.
import * as modules from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

if (Number.parseInt(process.versions.node, 10) < 24) {
  process.stderr.write(`yoe: Node 24 or newer is needed, ${process.execPath} is ${process.version}\n`)
  process.exit(3)
}
const caches = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
modules.enableCompileCache(join(caches, 'yoe', 'compiled'))

const { main } = await import(new URL('index.js', import.meta.url).href)
await main('yoe')
