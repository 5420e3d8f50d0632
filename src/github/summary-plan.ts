import type { Uploaded } from './artifacts.ts'
import type { PlannedCell, PublishedFeed, PublishReport } from './engine-port.ts'
import type { Matrix } from './matrix.ts'
import { html, link, literal, table } from './summary.ts'

/** The plan on the job's page. */
export function renderPlan({ include }: Matrix, dropped: readonly PlannedCell[]): string {
  const count = include.reduce((sum, { cell }) => sum + cell.split(',').length, 0)
  const jobs = count === include.length ? '' : ` in ${include.length} jobs`
  const verdict = count === 0 ? '## ✅ Nothing to build' : `## ${count} to build${jobs}`
  const rows = include.map(({ cell, arch, runner }) => [cell, arch, runner])
  const rest =
    dropped.length === 0 ? [] : [`Not affected by this change: ${literal(dropped.map(({ cell }) => cell).join(', '))}`]
  const parts = [verdict, ...(rows.length === 0 ? [] : [table(['cell', 'architecture', 'runner'], rows)]), ...rest]
  return `${parts.join('\n\n')}\n`
}

/** What was published on the job's page, with what a device needs to use it. */
export function renderPublish(report: PublishReport, artifacts: readonly Uploaded[]): string {
  const links = artifacts.map(({ name, url }) => `- ${link(name, url)}`)
  const { url, feeds } = report
  const site = url === undefined ? '' : ` · ${link(url, `${url}/`)}`
  const parts = [
    `## ✅ Feed published`,
    `${report.packages} packages${kept(report)}${site}`,
    ...(links.length === 0 ? [] : [links.join('\n')]),
    ...feeds.map((feed) => published(feed, url)),
  ]
  return `${parts.join('\n\n')}\n`
}

function published({ distro, packages, keyring, keyFingerprint, install }: PublishedFeed, url: string | undefined) {
  const key = url === undefined ? '' : ` · ${link('keyring', `${url}/${keyring}`)}`
  const facts = `${packages} packages for ${literal(distro)}, signed by <code>${literal(keyFingerprint)}</code>${key}`
  return `${facts}\n\nOn a device:\n\n<pre>${html(install)}</pre>`
}

function kept({ imported }: PublishReport): string {
  return imported === undefined ? '' : ` (${imported.packages} before)`
}
