import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkerName } from '#engine/build/choose-worker.ts'
import type { Local } from '#toolkit/local/settings.ts'
import { unusableWorker, workerWanted } from '#toolkit/worker-choice.ts'

const localOf = (worker?: WorkerName): Local => ({
  settings: worker === undefined ? {} : { worker },
  at: new Map([['worker', { file: 'local.star', line: 3, column: 1 }]]),
})

const asked: readonly {
  readonly worker?: string
  readonly variable?: string
  readonly local?: WorkerName
  readonly want: string | RegExp
}[] = [
  { want: '' },
  { variable: '', want: '' },
  { local: 'docker', want: 'docker by local.star:3' },
  { variable: 'bwrap', local: 'docker', want: 'bwrap by YOE_WORKER' },
  { worker: 'docker', variable: 'bwrap', local: 'bwrap', want: 'docker by --worker' },
  { worker: 'podman', want: /^--worker names no worker: "podman"$/ },
  { worker: '', want: /^--worker names no worker: ""$/ },
  { variable: 'podman', worker: 'bwrap', want: 'bwrap by --worker' },
  { variable: 'podman', want: /^YOE_WORKER names no worker: "podman"$/ },
]
for (const { worker, variable, local, want } of asked)
  test(`who asks for a worker: ${JSON.stringify({ worker, variable, local })}`, () => {
    const ask = () => {
      const wanted = workerWanted({ worker, env: { YOE_WORKER: variable }, local: localOf(local) })
      return wanted === undefined ? '' : `${wanted.name} by ${wanted.from}`
    }
    if (want instanceof RegExp) assert.throws(ask, { code: 'USAGE', message: want, hint: 'there are: bwrap, docker' })
    else assert.equal(ask(), want)
  })

test('that it can not be used is told with who asked for it', () => {
  const no = { ok: false, reason: 'no daemon answers', hint: 'start it' } as const
  const told = (worker?: string) => unusableWorker({ env: {}, local: localOf(), worker }, no).message
  assert.equal(told(), "builds can't be isolated here: no daemon answers")
  assert.equal(told('docker'), "builds can't be isolated here with docker (--worker): no daemon answers")
})
