import type { Machine } from './model.ts'

/** The first console that a machine's kernel is told of, without its speed: `ttyS0`; "" without one. */
export function consoleOf({ kernel }: Pick<Machine, 'kernel'>): string {
  return /(?:^|\s)console=([^\s,]+)/.exec(kernel?.cmdline ?? '')?.[1] ?? ''
}
