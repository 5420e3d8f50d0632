import type { Task } from './model.ts'

export const callsFunction = ({ steps }: Task): boolean => steps.some(({ kind }) => kind === 'call')
