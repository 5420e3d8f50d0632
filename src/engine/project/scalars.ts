/** `2222:22`: what a port of this host leads to in a guest. */
export interface Forward {
  readonly host: number
  readonly guest: number
}

const sizeUnits: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** Bytes of `512M`, `1G` (powers of 1024) or a plain number; undefined for anything else. */
export function sizeInBytes(text: string): number | undefined {
  const match = /^([0-9]{1,12})([KMGT]?)$/.exec(text)
  const bytes = Number(match?.[1]) * (sizeUnits[match?.[2] ?? ''] ?? Number.NaN)
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined
}

/** The two ports, each from 1 to 65535, of `HOST:GUEST`; undefined for anything else. */
export function portForward(text: string): Forward | undefined {
  const match = /^([0-9]{1,5}):([0-9]{1,5})$/.exec(text)
  const [host, guest] = [Number(match?.[1]), Number(match?.[2])]
  const possible = (port: number): boolean => port >= 1 && port <= 65_535
  return possible(host) && possible(guest) ? { host, guest } : undefined
}
