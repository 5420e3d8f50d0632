import type { Engine } from './engine-port.ts'

/** The engine, loaded when the inputs are known to be right. */
export async function openEngine(): Promise<Engine> {
  throw new Error('the engine is not connected to the actions yet')
}
