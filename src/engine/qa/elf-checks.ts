import { shown } from '../shown.ts'
import { elfMachines } from './elf.ts'
import type { Finding } from './finding.ts'
import type { CheckedUnit, PackagePart } from './package-parts.ts'
import { isLinked, type Program } from './programs.ts'

/** What headers of programs and libraries show to be wrong. */
export function checkPrograms(checked: CheckedUnit): readonly Finding[] {
  return checked.parts.flatMap((part) =>
    part.programs.flatMap((program) => [
      ...foreign(checked, program),
      ...runPath(program),
      ...loading(program),
      ...symbols(checked, part, program),
    ]),
  )
}

const pathOf = ({ entry }: Program): string => `/${shown(entry.path)}`

function foreign({ arch }: CheckedUnit, program: Program): readonly Finding[] {
  const { machine, wide, little } = program.facts
  const paths = [pathOf(program)]
  if (arch === undefined) {
    return [
      {
        check: 'arch',
        paths,
        message: 'is machine code in a package for every architecture',
        hint: 'take scope = "noarch" out of the unit',
      },
    ]
  }
  if (machine === elfMachines[arch] && wide && little) return []
  return [
    {
      check: 'arch',
      paths,
      message: `is machine code for another architecture than ${arch}`,
      hint: `build it for ${arch} (with $CC and $CXX of the environment), or install it under /usr/share or /usr/lib/firmware if it is data`,
    },
  ]
}

/** Folders that no device has, or that anybody could fill. */
const lostFolder = /^\/(build|tmp|home|root|var\/tmp)(\/|$)/

function runPath(program: Program): readonly Finding[] {
  const lost = program.facts.runPath.filter(
    (folder) => lostFolder.test(folder) || !(folder.startsWith('/') || folder.startsWith('$')),
  )
  if (lost.length === 0) return []
  return [
    {
      check: 'rpath',
      paths: [pathOf(program)],
      message: `looks for libraries in ${lost.map((folder) => JSON.stringify(folder)).join(', ')}, which no device has`,
      hint: 'link without -Wl,-rpath (CMake: -DCMAKE_SKIP_INSTALL_RPATH=ON), or remove it in a task: patchelf --remove-rpath FILE',
    },
  ]
}

function loading(program: Program): readonly Finding[] {
  const { textRelocations, executableStack } = program.facts
  const paths = [pathOf(program)]
  const findings: Finding[] = []
  if (textRelocations)
    findings.push({
      check: 'textrel',
      paths,
      message: 'has text relocations: its code is changed when it is loaded',
      hint: 'compile everything in it with -fPIC; -Wl,-z,text names what is not',
    })
  if (executableStack)
    findings.push({
      check: 'execstack',
      paths,
      message: 'asks for an executable stack',
      hint: 'assembly needs .section .note.GNU-stack,"",%progbits; or link with -Wl,-z,noexecstack',
    })
  return findings
}

/** Suites are run to find out what is wrong, and may keep their symbols. */
function symbols({ unit }: CheckedUnit, { suffix }: PackagePart, program: Program): readonly Finding[] {
  const { sections } = program.facts
  if (suffix === 'dbg' || suffix === 'tests') return []
  const paths = [pathOf(program)]
  // Kernel modules are linked by their symbols.
  const left = isLinked(program) ? ['.debug_info', '.zdebug_info', '.symtab'] : ['.debug_info', '.zdebug_info']
  if (left.some((name) => sections.has(name)))
    return [
      {
        check: 'stripped',
        paths,
        message: `has ${sections.has('.symtab') && isLinked(program) ? 'symbols' : 'debug information'} left in`,
        hint: 'strip it in a task (strip --strip-unneeded FILE), or keep them apart: subpackages = ["dbg"]',
      },
    ]
  const wanted = isLinked(program) && unit.subpackages.includes('dbg') && !sections.has('.gnu_debuglink')
  if (!wanted || sections.size === 0) return []
  return [
    {
      check: 'stripped',
      paths,
      message: `was stripped before its debug information could go to ${unit.name}-dbg`,
      hint: 'install it unstripped (make install, not install-strip; INSTALL_STRIP_FLAG=), or take "dbg" out of subpackages',
    },
  ]
}
