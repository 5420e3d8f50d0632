import { join } from 'node:path'
import type { BuildContext } from '#engine/build/context.ts'
import { silent } from '#engine/events.ts'
import { Store } from '#engine/store/store.ts'
import { debianFormat } from '#feeds/debian/format.ts'

const never = (): never => {
  throw new TypeError('not in these tests')
}

/** What a build in `root` has, without a worker or a network: whoever needs more of it says so. */
export async function quietContext(
  root: string,
  fields: Pick<BuildContext, 'keys'> & Partial<BuildContext>,
): Promise<BuildContext> {
  return {
    project: { name: 'demo', version: '1' },
    store: await Store.open(join(root, 'cache'), { report: silent }),
    worker: { name: 'none', probe: never, run: never, prepareWritable: never, prepareReadable: never },
    format: debianFormat,
    buildRoot: join(root, 'build'),
    fetchPackage: never,
    absolute: never,
    fetcher: { fetch: never },
    network: { environment: {}, mounts: [], reach: { services: [] } },
    offline: true,
    processors: 1,
    maintainer: 'nobody',
    functions: never,
    sourceDateEpoch: 0,
    builder: 'test',
    report: silent,
    signal: new AbortController().signal,
    ...fields,
  }
}
