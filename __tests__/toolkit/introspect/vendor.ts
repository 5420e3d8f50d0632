/** The vendors' project, opened in this process. */
import type { TestContext } from 'node:test'
import { silent } from '#engine/events.ts'
import type { Catalog, OpenOne } from '#toolkit/catalog-view.ts'
import { openCatalog } from '#toolkit/catalog-view.ts'
import { openWorkspace } from '#toolkit/workspace.ts'
import type { VendorProject } from '../../support/vendor-project.ts'
import { vendorProject } from '../../support/vendor-project.ts'

export interface Asked {
  readonly machine?: string
  readonly distro?: string
  readonly targets?: readonly string[]
}

export interface Vendors {
  readonly project: VendorProject
  /** The project with its feeds. */
  catalog(asked?: Asked): Promise<Catalog>
  /** The same, but opening a feed fails the test. */
  closed(asked?: Asked): Promise<Catalog>
}

export async function vendors(t: TestContext): Promise<Vendors> {
  const project = await vendorProject(t)
  const open = (asked: Asked, opener?: OpenOne): Promise<Catalog> => {
    const env = { YOE_CACHE: project.cache, YOE_MIRRORS: project.mirrors }
    const { signal } = new AbortController()
    const place = { cwd: project.root, project: undefined, env, offline: false, report: silent, signal }
    return openCatalog(openWorkspace(place), { machine: undefined, distro: undefined, ...asked }, opener)
  }
  const refuse: OpenOne = async (_format, { id }) => {
    throw new Error(`feed ${id} was opened`)
  }
  return { project, catalog: (asked = {}) => open(asked), closed: (asked = {}) => open(asked, refuse) }
}
