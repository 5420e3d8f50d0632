/**
 * The checks that every package passes before it is written, by the names that `qa_skip` knows them by, and what each
 * is about. The names are stable: units hold them.
 *
 * @see seed, Build-time Package QA
 */
export const packageChecks = {
  arch: 'machine code for another architecture',
  buildpaths: 'a path or the name of the machine that built it, in a file',
  conffiles: 'a conffile that is not in the package, is no regular file, or lies outside /etc',
  conflict: 'a file that a package of its dependencies has, too',
  dangling: 'a symbolic link to nothing',
  'dev-in-main': 'headers, static libraries or pkg-config files beside what devices run',
  empty: 'a package without files',
  execstack: 'a program or library that asks for an executable stack',
  license: 'no license, none that SPDX knows, or no text of it',
  needed: 'a shared library that nothing declared brings',
  owner: 'a file that belongs to somebody else than root, undeclared or unknown',
  reproducible: 'content that tells when it was made',
  rpath: 'a run path into the build, or relative to nothing',
  services: 'a service without a unit file, or one that can not be enabled',
  setuid: 'setuid, setgid or sticky bits that `permissions` does not declare',
  stripped: 'symbols or debug information left in, or stripped before they could be kept',
  textrel: 'code that is changed when it is loaded',
  'world-writable': 'a file or folder that everybody may write to',
} as const satisfies Record<string, string>

export type PackageCheck = keyof typeof packageChecks

export const isPackageCheck = (name: string): name is PackageCheck => Object.hasOwn(packageChecks, name)
