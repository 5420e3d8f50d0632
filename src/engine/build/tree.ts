import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Gives a tree to the id that runs have when yoe is root, without following links. */
export async function giveTo(path: string, id: number): Promise<void> {
  await run('chown', ['--recursive', '--no-dereference', '-P', `${id}:${id}`, '--', path])
}
