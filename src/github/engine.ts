import type { Engine } from './engine-port.ts'

/** The engine, loaded when the inputs are known to be right. */
export async function openEngine(): Promise<Engine> {
  const { session } = await import('./session.ts')
  return session(process.env)
}
