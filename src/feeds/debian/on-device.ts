import type { OnDevice } from '#engine/formats.ts'

const apt = 'DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet'

/** See {@link OnDevice}. @see apt-get(8) */
export const onDevice: OnDevice = {
  add: (name) => `${apt} ${name} </dev/null`,
  addFiles: `
set -- "$main" $(for file; do
  name=$(dpkg-deb --field "$file" Package)
  if dpkg-query --show --showformat='\${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q ^ii; then echo "$file"; fi
done)
${apt} --reinstall --allow-downgrades "$@" </dev/null
`.trim(),
}
