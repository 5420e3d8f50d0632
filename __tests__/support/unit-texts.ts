/** Units of .star files that are built of nothing but a few shell commands. */

/**
 * A unit whose package is the same on every architecture.
 *
 * @param run what fills $DESTDIR, as a .star text has it
 * @param more fields, each with its comma
 */
export const toolsUnit = (name: string, run: string, more = '', version = '1.0'): string => `unit(
    name = "${name}",
    version = "${version}",
    license = "MIT",
    scope = "noarch",
    container = "tools",
    tasks = [task("install", run = "${run}")],
    ${more}
)
`

/** One that brings a program of its name. @param script lines of a shell, as printf's format has them in a .star text */
export const scriptUnit = (name: string, version: string, script: string, more = ''): string => {
  const program = `$DESTDIR/usr/bin/${name}`
  const run = `install -d $DESTDIR/usr/bin && printf '#!/bin/sh\\\\n${script}\\\\n' >${program} && chmod 755 ${program}`
  return toolsUnit(name, run, more, version)
}
