import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Scratch } from '../store/fixture.ts'

/** A folder to unpack into, and what must stay as it is beside it. */
export interface World {
  readonly scratch: Scratch
  /** Beside the destination; must stay as it is. */
  readonly outside: string
}

export function worldIn(scratch: Scratch): World {
  const outside = join(scratch.path, 'outside')
  mkdirSync(outside, { mode: 0o777 })
  writeFileSync(join(outside, 'victim'), 'untouched')
  return { scratch, outside }
}

export const untouched = ({ scratch, outside }: World): boolean =>
  readdirSync(outside).join() === 'victim' &&
  readFileSync(join(outside, 'victim'), 'utf8') === 'untouched' &&
  !existsSync(join(scratch.path, 'dest-evil')) &&
  !existsSync(join(scratch.path, 'evil'))

export const file = (name: string, content = 'evil'): { readonly name: string; readonly content: string } => ({
  name,
  content,
})
