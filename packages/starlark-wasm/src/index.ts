export { compileInterpreter, interpreterModule } from './binary.ts'
export type { BuiltinCall } from './builtin.ts'
export { type Dialect, defaultDialect, type Environment, type EnvironmentOptions } from './environment.ts'
export {
  formatPosition,
  StarlarkError,
  type StarlarkErrorDetails,
  type StarlarkErrorKind,
  type StarlarkFrame,
  type StarlarkPosition,
} from './errors.ts'
export type { EvaluateOptions, ProgramCache } from './graph.ts'
export { completeLimits, defaultLimits, type Limits } from './limits.ts'
export type { LoadStatement, Program, StarlarkModule } from './module.ts'
export { type ExecuteOptions, type SessionOptions, StarlarkSession } from './session.ts'
export type { TemplateOptions } from './template.ts'
export {
  type CallOptions,
  type FunctionIdentity,
  type HostBuiltin,
  HostValue,
  type HostValueAppearance,
  type KeywordArguments,
  StandardValue,
  StarlarkFloat,
  StarlarkForeign,
  StarlarkFunction,
  type StarlarkInput,
  StarlarkStruct,
  StarlarkTuple,
  type StarlarkValue,
  standard,
} from './values.ts'
