import type { Run, Usability, Worker } from './worker.ts'

/** Workers, in the order in which they are tried when none is asked for. */
export const workerNames = ['bwrap', 'docker'] as const
export type WorkerName = (typeof workerNames)[number]

export const isWorkerName = (text: string): text is WorkerName => workerNames.some((name) => name === text)

export interface WorkerWish {
  /** The one to use, and no other; undefined: bubblewrap, else Docker where bubblewrap can't run and a daemon answers. */
  readonly wanted: WorkerName | undefined
  /** Folder for Docker's notes, in the cache. */
  readonly records: string
  /** Told once when it is not the first that is used. */
  readonly fellBack?: (why: string) => void
  /** How to make them, for tests. */
  readonly make?: (name: WorkerName) => Promise<Worker>
}

/** A worker that is chosen when it is first used. */
export function chooseWorker(wish: WorkerWish): Worker {
  const { make = makerOf(wish) } = wish
  let choosing: Promise<Choice> | undefined
  const choice = (): Promise<Choice> => {
    choosing ??= choose(wish, make)
    return choosing
  }
  return {
    name: wish.wanted ?? workerNames[0],
    probe: async () => (await choice()).usable,
    run: async (run: Run) => (await choice()).worker.run(run),
    prepareWritable: async (path) => (await choice()).worker.prepareWritable(path),
    prepareReadable: async (path) => (await choice()).worker.prepareReadable(path),
  }
}

interface Choice {
  readonly worker: Worker
  readonly usable: Usability
}

const makerOf =
  ({ records }: WorkerWish) =>
  async (name: WorkerName): Promise<Worker> =>
    name === 'bwrap'
      ? (await import('./bwrap.ts')).bwrapWorker()
      : (await import('./docker.ts')).dockerWorker({ records })

async function choose(wish: WorkerWish, make: (name: WorkerName) => Promise<Worker>): Promise<Choice> {
  const first = await make(wish.wanted ?? workerNames[0])
  // What can't run says so itself, in full, when it is run.
  if (wish.wanted !== undefined) return { worker: first, usable: await first.probe() }
  const usable = await first.probe()
  if (usable.ok) return { worker: first, usable }
  const second = await make('docker')
  if (!(await second.probe()).ok) return { worker: first, usable }
  wish.fellBack?.(usable.reason)
  return { worker: second, usable: { ok: true } }
}
