import assert from 'node:assert/strict'
import { test } from 'node:test'
import ids from 'spdx-license-ids/index.json' with { type: 'json' }
import { meantLicenses } from '#engine/qa/spdx-names.ts'

const said: Readonly<Record<string, readonly string[]>> = {
  GPL3: ['GPL-3.0-only', 'GPL-3.0-or-later'],
  GPLv2: ['GPL-2.0-only', 'GPL-2.0-or-later'],
  'GPL-2': ['GPL-2.0-only', 'GPL-2.0-or-later'],
  'GPLv2+': ['GPL-2.0-or-later'],
  'LGPL v2.1': ['LGPL-2.1-only', 'LGPL-2.1-or-later'],
  'AGPLv3 or later': ['AGPL-3.0-or-later'],
  GPL: ['GPL-2.0-or-later', 'GPL-3.0-or-later'],
  mit: ['MIT'],
  'MIT License': ['MIT'],
  'apache-2.0': ['Apache-2.0'],
  'Apache License, Version 2.0': ['Apache-2.0'],
  BSD: ['BSD-3-Clause', 'BSD-2-Clause'],
  'BSD-3': ['BSD-3-Clause', 'BSD-2-Clause'],
  proprietary: ['LicenseRef-Proprietary'],
  'Apache-2.1': ['Apache-1.1', 'Apache-2.0'],
  'see the file COPYING of the source': [],
}

for (const [text, want] of Object.entries(said))
  test(text, () => assert.deepEqual(meantLicenses(text, ids).slice(0, 2), want))
