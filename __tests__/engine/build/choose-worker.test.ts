import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseWorker, type WorkerName } from '#engine/build/choose-worker.ts'
import { defaultLimits, type Usability, type Worker } from '#engine/build/worker.ts'

const no = (reason: string): Usability => ({ ok: false, reason, hint: `mend ${reason}` })
const yes: Usability = { ok: true }

const choices: {
  name: string
  wanted?: WorkerName
  bwrap: Usability
  docker: Usability
  ran: string
  usable: Usability
  told?: string
}[] = [
  {
    name: 'bubblewrap where it runs, and Docker is not asked',
    bwrap: yes,
    docker: no('daemon'),
    ran: 'bwrap',
    usable: yes,
  },
  {
    name: 'Docker where bubblewrap can not run',
    bwrap: no('userns'),
    docker: yes,
    ran: 'docker',
    usable: yes,
    told: 'userns',
  },
  {
    name: 'neither: what bubblewrap lacks',
    bwrap: no('userns'),
    docker: no('daemon'),
    ran: 'bwrap',
    usable: no('userns'),
  },
  { name: 'the one that is asked for', wanted: 'docker', bwrap: yes, docker: yes, ran: 'docker', usable: yes },
  {
    name: 'the one that is asked for, or none',
    wanted: 'docker',
    bwrap: yes,
    docker: no('daemon'),
    ran: 'docker',
    usable: no('daemon'),
  },
  {
    name: 'bubblewrap when it is asked for, or none',
    wanted: 'bwrap',
    bwrap: no('userns'),
    docker: yes,
    ran: 'bwrap',
    usable: no('userns'),
  },
]
for (const { name, wanted, bwrap, docker, ran, usable, told } of choices)
  test(`which worker: ${name}`, async () => {
    const ranIn: string[] = []
    const why: string[] = []
    const make = async (which: WorkerName): Promise<Worker> => ({
      name: which,
      probe: async () => (which === 'bwrap' ? bwrap : docker),
      run: async () => {
        ranIn.push(which)
        return { kind: 'exited', code: 0 }
      },
      prepareWritable: async () => {},
      prepareReadable: async () => {},
    })
    const worker = chooseWorker({ wanted, records: '/nowhere', make, fellBack: (reason) => why.push(reason) })
    assert.deepEqual(await worker.probe(), usable)
    for (let times = 0; times < 2; times++)
      await worker.run({
        ...{ root: '/', argv: ['true'], env: {}, cwd: '/', mounts: [], network: false, identity: 'user' },
        limits: defaultLimits,
        output: () => {},
      })
    assert.deepEqual(ranIn, [ran, ran])
    assert.deepEqual(why, told === undefined ? [] : [told])
  })
