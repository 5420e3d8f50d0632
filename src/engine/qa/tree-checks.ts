import type { DestEntry } from '../build/destdir.ts'
import { isForDevelopment } from '../build/split.ts'
import { shown } from '../shown.ts'
import type { Finding } from './finding.ts'
import type { CheckedUnit, PackagePart } from './package-parts.ts'

const pathOf = ({ path }: DestEntry): string => `/${shown(path)}`

/** What owners, modes and names of files show to be wrong. */
export function checkTree(checked: CheckedUnit): readonly Finding[] {
  const [main] = checked.parts
  return [
    ...checked.parts.flatMap(({ tree }) => tree.entries.flatMap(checkEntry)),
    ...(main === undefined || checked.unit.subpackages.includes('dev') ? [] : forDevelopment(main)),
    ...nothing(checked),
    ...conffiles(checked),
    ...runner(checked),
  ]
}

function checkEntry(entry: DestEntry): readonly Finding[] {
  const { mode, permission, kind } = entry
  // Nothing stands out about most: tens of thousands are not to cost a name each.
  if (entry.foreign !== true && (mode & 0o7002) === 0) return []
  const paths = [pathOf(entry)]
  const findings: Finding[] = []
  if (entry.foreign === true && permission?.owner === undefined)
    findings.push({
      check: 'owner',
      paths,
      message: 'was given to another user or group, and packages belong to root',
      hint: `declare it: permissions = {"${pathOf(entry)}": "${(mode & 0o7777).toString(8).padStart(4, '0')} USER:GROUP"}, or leave chown out of the task`,
    })
  if (kind === 'symlink' || kind === 'hardlink' || permission?.mode !== undefined) return findings
  const bits = [mode & 0o4000 && 'setuid', mode & 0o2000 && 'setgid', mode & 0o1000 && 'sticky'].filter(Boolean)
  const octal = (mode & 0o7777).toString(8)
  if (bits.length > 0)
    findings.push({
      check: 'setuid',
      paths,
      message: `is ${bits.join(' and ')}, undeclared`,
      hint: `declare it: permissions = {"${pathOf(entry)}": "${octal}"}, or clear it in the task: chmod u-s,g-s,-t`,
    })
  if ((mode & 0o002) !== 0)
    findings.push({
      check: 'world-writable',
      paths,
      message: 'may be written to by everybody',
      hint: `chmod o-w in the task that installs it, or declare it: permissions = {"${pathOf(entry)}": "${octal.padStart(4, '0')}"}`,
    })
  return findings
}

/** Programs that are called something-config are not always for development. */
const isSurelyForDevelopment = (entry: DestEntry): boolean =>
  isForDevelopment(entry) && !entry.path.toString('latin1').startsWith('usr/bin/')

/** A package of nothing but headers is for those who build, and nobody installs it on a device. */
function forDevelopment({ tree }: PackagePart): readonly Finding[] {
  const leaves = tree.entries.filter(({ kind }) => kind !== 'directory')
  const files = leaves.filter(isSurelyForDevelopment)
  if (files.length === 0 || leaves.every((entry) => isForDevelopment(entry) || isLicense(entry))) return []
  return [
    {
      check: 'dev-in-main',
      paths: files.map(pathOf),
      message: 'is only for building against it',
      hint: 'what is for building goes into a package of its own: subpackages = ["dev"]; or remove it in a task',
    },
  ]
}

const isLicense = ({ path }: DestEntry): boolean => path.toString('latin1').startsWith('usr/share/licenses/')

/** A unit that only names others, or only enables their services, has no tasks or no need of files. */
function nothing({ unit, parts }: CheckedUnit): readonly Finding[] {
  const files = parts.some(({ tree }) => tree.entries.length > 1)
  if (files || unit.tasks.length === 0 || unit.services.length > 0) return []
  return [
    {
      check: 'empty',
      message: 'its tasks installed nothing',
      hint: 'install below $DESTDIR, such as: make install DESTDIR=$DESTDIR',
    },
  ]
}

function conffiles({ unit, parts }: CheckedUnit): readonly Finding[] {
  if (unit.conffiles.length === 0) return []
  const kinds = new Map(
    parts.flatMap(({ tree }) => tree.entries).map((entry) => [`/${entry.path.toString('utf8')}`, entry.kind]),
  )
  return unit.conffiles.flatMap((path): Finding[] => {
    const kind = kinds.get(path)
    const what = !path.startsWith('/')
      ? 'is not absolute'
      : kind === undefined
        ? 'is not in the package'
        : kind !== 'file'
          ? `is a ${kind}`
          : !path.startsWith('/etc/')
            ? 'lies outside /etc, where nobody looks for settings'
            : undefined
    if (what === undefined) return []
    const hint = 'name regular files that the unit installs: /etc/app.conf'
    return [{ check: 'conffiles', message: `conffile "${path}" ${what}`, hint }]
  })
}

/** What `yoe-tests` packages are run by. @see seed, On-device upstream tests */
function runner({ unit, parts }: CheckedUnit): readonly Finding[] {
  const tests = parts.find(({ suffix }) => suffix === 'tests')
  if (!unit.upstreamTests || tests === undefined) return []
  const path = `usr/lib/yoe-tests/${unit.name}/run.sh`
  const entry = tests.tree.entries.find((each) => each.path.toString('latin1') === path)
  if (tests.tree.entries.length < 2 || (entry !== undefined && (entry.mode & 0o111) !== 0)) return []
  return [
    {
      check: 'empty',
      message: `${tests.name} has no program /${path} that runs the suite`,
      hint: `install_file("run.sh", "$DESTDIR/${path}", mode = 0o755) in the task of upstream_tests`,
    },
  ]
}
