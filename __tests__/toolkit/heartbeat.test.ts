import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Event } from '#engine/events.ts'
import { withHeartbeat } from '#toolkit/heartbeat.ts'

test('what runs long is told about every minute, until it ends', ({ mock }) => {
  mock.timers.enable({ apis: ['setInterval'] })
  const seen: Event[] = []
  const notices = (): readonly string[] => seen.flatMap((event) => (event.type === 'notice' ? [event.message] : []))
  const report = withHeartbeat((event) => void seen.push(event))
  report({ type: 'unit-started', unit: 'debian/app.x86_64', title: 'app', why: 'never built', log: '' })
  mock.timers.tick(59_000)
  assert.deepEqual(notices(), [])
  mock.timers.tick(1000)
  report({ type: 'step-started', id: 's1', title: 'fetch', unit: 'app' })
  report({ type: 'unit-output', unit: 'debian/app.x86_64', text: 'cc\n' })
  mock.timers.tick(60_000)
  assert.equal(notices().length, 2)
  assert.match(notices()[0] ?? '', /^still running: app \(\d+ s\)$/)
  assert.match(notices()[1] ?? '', /^still running: app \(\d+ s\), fetch \(\d+ s\)$/)
  report({ type: 'step-ended', id: 's1', ms: 1, ok: true })
  report({ type: 'unit-ended', unit: 'debian/app.x86_64', outcome: 'built', ms: 1 })
  mock.timers.tick(600_000)
  assert.equal(notices().length, 2)
})
