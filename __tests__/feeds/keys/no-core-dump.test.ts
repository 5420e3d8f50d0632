import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

test('C9: a process that has read a key leaves no core dump; the control may leave one', () => {
  const folder = join(import.meta.dirname, '../../..')
  const script = (use: string): string => `
    import { readFileSync } from 'node:fs'
    import { loadKey } from '#feeds/keys/project-keys.ts'
    import { generateCacheKey } from '#engine/store/signing.ts'
    const owner = { project: 'demo', projectRoot: '/nonexistent', env: { YOE_CACHE_SIGNING_KEY: generateCacheKey().privateKey } }
    ${use}
    console.log(/^Max core file size +(\\S+) +(\\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')).slice(1).join(' '))`
  const limits = (use: string): string =>
    execFileSync(
      'sh',
      ['-c', 'ulimit -c 4096 && exec "$0" --input-type=module --eval "$1"', process.execPath, script(use)],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    ).trim()
  assert.equal(limits("await loadKey(owner, 'cache')"), '0 0')
  assert.notEqual(limits(''), '0 0')
})
