/** A name that every storage can hold, and that stays where it belongs. @throws {TypeError} when it is none: a bug of ours */
export function checkName(name: string): string {
  if (!/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(name)) throw new TypeError(`no entry is called ${name}`)
  return name
}
