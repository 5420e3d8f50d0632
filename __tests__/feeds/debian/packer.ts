// Packs one destdir in a process of its own: something whose memory and disk can be limited.
import { userErrors } from '#engine/errors.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { packInput } from '../../support/making.ts'

const [destdir = '', outdir = ''] = process.argv.slice(2)
try {
  await packDeb(packInput(destdir, outdir))
} catch (failure) {
  for (const error of userErrors(failure) ?? []) process.stderr.write(`${error.code} ${error.message}\n`)
  process.exitCode = 1
}
process.stdout.write(`${Math.round(process.resourceUsage().maxRSS / 1024)}\n`)
