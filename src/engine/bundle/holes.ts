import type { FileHandle } from 'node:fs/promises'
import { blocksOf } from '../store/objects.ts'
import type { BundleObject } from './document.ts'
import { holeBytes } from './document.ts'

type Runs = BundleObject['holes']

const zeros = Buffer.alloc(2 ** 20)

/** The runs of zeros in a file: of blocks that lie at multiples of {@link holeBytes}, whole ones only. */
export async function holesOf(file: FileHandle): Promise<Runs> {
  const runs: [number, number][] = []
  let at = 0
  for await (const block of blocksOf(file)) {
    for (let start = 0; start + holeBytes <= block.length; start += holeBytes) {
      if (!zeros.subarray(0, holeBytes).equals(block.subarray(start, start + holeBytes))) continue
      const last = runs.at(-1)
      if (last !== undefined && last[0] + last[1] === at + start) last[1] += holeBytes
      else runs.push([at + start, holeBytes])
    }
    at += block.length
  }
  return runs
}

/** The parts of an object that are written, in order: start and length. */
export function dataRuns({ size, holes }: BundleObject): Runs {
  const runs: [number, number][] = []
  let at = 0
  for (const [start, length] of holes) {
    if (start > at) runs.push([at, start - at])
    at = start + length
  }
  if (size > at) runs.push([at, size - at])
  return runs
}

/** Bytes of an object that are written. */
export function writtenBytes({ size, holes }: BundleObject): number {
  return holes.reduce((left, [, length]) => left - length, size)
}

/** An object's content, whose written parts lie in a file from `start` on. */
export async function* contentOf(file: FileHandle, start: number, object: BundleObject): AsyncGenerator<Uint8Array> {
  let from = start
  let at = 0
  for (const [begin, length] of [...dataRuns(object), [object.size, 0] as const]) {
    for (; at < begin; at += Math.min(zeros.length, begin - at)) yield zeros.subarray(0, begin - at)
    if (length > 0) yield* blocksOf(file, from, length)
    from += length
    at += length
  }
}
