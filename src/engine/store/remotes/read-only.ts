import type { RemoteStore } from '../remote.ts'

/** A shared store that this run only reads: nothing is sent, claimed or deleted. */
export function readOnly(remote: RemoteStore): RemoteStore {
  return {
    get: (name, read, transfer) => remote.get(name, read, transfer),
    has: (names) => remote.has(names),
    list: (prefix) => remote.list(prefix),
    put: async () => 'read-only',
    delete: async () => {},
    ...(remote.vouched === undefined ? {} : { vouched: remote.vouched }),
    close: async () => remote.close?.(),
    toString: () => `${remote}`,
  }
}
