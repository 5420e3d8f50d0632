/** Names under which an image's files are stored. */
export const imageFiles = {
  disk: 'disk.img',
  kernel: 'vmlinuz',
  initrd: 'initrd.img',
  contents: 'packages.json',
} as const
