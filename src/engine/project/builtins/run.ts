import { StarlarkStruct } from 'starlark-wasm'
import { YoeError } from '../../errors.ts'
import { defaulting, parseArguments, required } from '../arguments.ts'
import { flag } from '../readers.ts'
import type { Builtin, Context, Invocation, Result } from './builtin.ts'
import { command } from './task.ts'

const signature = {
  fields: { command: required(command), check: defaulting(flag, true) },
  positional: ['command', 'check'],
} as const

/**
 * `run(command, check)`: in a function of a task, a shell command in the task's sandbox. A command that fails ends the
 * task, unless `check` is False.
 */
export const run: Builtin = Object.assign(
  (invocation: Invocation, { declarations, task }: Context): Result | Promise<Result> => {
    const { builtin, at } = invocation
    if (task === undefined) {
      throw new YoeError('BAD_FIELD', `${builtin}() works only while a task runs`, {
        at,
        hint: 'call it in a function that a task is given: task("build", fn = …)',
      })
    }
    const parsed = parseArguments(signature, invocation)
    if (!parsed.ok) {
      declarations.errors.push(...parsed.errors)
      return undefined
    }
    const { command: text, check } = parsed.fields
    return task.run(text).then(({ status, output, truncated }) => {
      if (check && status !== 0) {
        throw new YoeError('TASK_FAILED', `run(${shown(text)}) failed with exit code ${status}`)
      }
      return new StarlarkStruct(
        new Map<string, string | number | boolean>(Object.entries({ status, output, truncated })),
      )
    })
  },
  { fields: signature.fields },
)

function shown(text: string): string {
  return JSON.stringify(text.length <= 60 ? text : `${text.slice(0, 60)}…`)
}
