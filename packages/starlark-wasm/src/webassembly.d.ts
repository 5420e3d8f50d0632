// The part of the WebAssembly JavaScript API that this package uses. TypeScript has it in its DOM library only, which
// would bring the whole browser along.
// https://webassembly.github.io/spec/js-api/

declare namespace WebAssembly {
  type Value = number | bigint
  type ExportedFunction = (...args: Value[]) => Value
  type ImportValue = (...args: never[]) => Value | undefined
  type Exports = Readonly<Record<string, Memory | ExportedFunction>>

  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>)
    static imports(module: Module): { readonly module: string; readonly name: string; readonly kind: string }[]
  }

  class Memory {
    readonly buffer: ArrayBuffer
  }

  class Instance {
    constructor(module: Module, imports: Readonly<Record<string, Readonly<Record<string, ImportValue>>>>)
    readonly exports: Exports
  }

  function compile(bytes: Uint8Array<ArrayBuffer>): Promise<Module>
}
