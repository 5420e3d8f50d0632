/** The one entry of the bundle, for both faces: what an action or a command does not use is never loaded. */
const entries = {
  yoe: async () => {
    const { main: yoe } = await import('./cli/run.ts')
    process.exitCode = await yoe(process.argv.slice(2))
  },
  cell: () => import('../actions/cell/main.ts'),
  plan: () => import('../actions/plan/main.ts'),
  build: () => import('../actions/build/main.ts'),
  image: () => import('../actions/image/main.ts'),
  'boot-test': () => import('../actions/boot-test/main.ts'),
  'publish-feed': () => import('../actions/publish-feed/main.ts'),
  setup: () => import('../actions/setup/main.ts'),
  'cache-client': async () => (await import('./github/actions-cache/client.ts')).serveCacheClient(),
} as const

export type Entry = keyof typeof entries

export async function main(entry: Entry): Promise<void> {
  await entries[entry]()
}
