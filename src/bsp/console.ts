import { StringDecoder } from 'node:string_decoder'
import { cleaner, cleanLine } from '#engine/build/log.ts'

/** How far a guest has come, as its serial console shows; in the order of a boot. A quiet one skips some. */
const consoleStages = ['firmware', 'kernel', 'init', 'login'] as const
export type ConsoleStage = (typeof consoleStages)[number]

/** What the console of a guest tells, as it tells it. */
export interface ConsoleWatcher {
  push(chunk: Uint8Array): void
  end(): void
}

const kernelLine = /^\[ *0\.\d+\]|^Linux version |^(?:EFI stub|Booting Linux on physical CPU)/
const initLine = /^(?:\[ *[\d.]+\] )?(?:Run \/\S+ as init process|systemd\[1\]: |Welcome to |INIT: version )/
const loginPrompt = /^[\w.-]+ login: *$/

/** Lines after which no login will come; they hold for kernels, systemd, Debian's initramfs, dracut, GRUB and firmware. */
const deadEnds: readonly (readonly [pattern: RegExp, meaning: string])[] = [
  [/Kernel panic - not syncing/, 'the kernel panicked'],
  [/Attempted to kill init/, 'the first process died'],
  [/You are in (?:emergency|rescue) mode|Entering emergency mode/, 'systemd gave up and offers a shell for repairs'],
  [/^Give root password for maintenance|^Press Enter for maintenance/, 'it waits for somebody to repair it'],
  [/^\(initramfs\) *$|^ALERT! .* does not exist/, 'the initramfs found no root file system'],
  [/^dracut:\/#/, 'the initramfs found no root file system'],
  [/^grub rescue>/, "GRUB can't find its own files"],
  [
    /No bootable device|Boot failed: not a bootable disk|could not read the boot disk/,
    'the firmware found nothing to boot',
  ],
  // UEFI turns to the network when no disk boots.
  [/^>>Start (?:PXE|HTTP Boot) over/, 'the firmware found nothing to boot'],
  [/^No filesystem could mount root/, 'the kernel found no root file system'],
]

export interface ConsoleListener {
  /** Clean lines, each with its `\n`: what the serial log holds. */
  readonly text: (text: string) => void
  readonly stage: (stage: ConsoleStage) => void
  /** A line that ends all hope, and what it means; once. */
  readonly deadEnd: (line: string, meaning: string) => void
}

/** Prompts are not followed by a newline, so unfinished lines count; of one that never ends only its end is kept. */
const longestPrompt = 512

/** Reads a guest's serial console. Nothing that a guest says can do more than end its own test. */
export function watchConsole(listener: ConsoleListener): ConsoleWatcher {
  const decoder = new StringDecoder('utf8')
  const seen = new Set<ConsoleStage>()
  let dead = false
  let unfinished = ''
  const reach = (stage: ConsoleStage): void => {
    if (seen.has(stage)) return
    seen.add(stage)
    listener.stage(stage)
  }
  const judge = (line: string): void => {
    if (kernelLine.test(line)) reach('kernel')
    else if (initLine.test(line)) reach('init')
    else if (seen.size === 0 && line.trim() !== '') reach('firmware')
    if (loginPrompt.test(line)) reach('login')
    if (dead) return
    const found = deadEnds.find(([pattern]) => pattern.test(line))
    if (found === undefined) return
    dead = true
    listener.deadEnd(line.trim(), found[1])
  }
  const log = cleaner((text) => listener.text(text))
  return {
    push: (chunk) => {
      log.push(chunk)
      const lines = (unfinished + decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))).split(
        /\r\n?|\n/,
      )
      unfinished = (lines.pop() ?? '').slice(-longestPrompt)
      for (const line of lines) judge(cleanLine(line.slice(0, 4096)))
      const prompt = cleanLine(unfinished)
      if (/(?:login: *|[#>)] ?|over IPv[46]\.)$/.test(prompt)) judge(prompt)
    },
    end: () => log.end(),
  }
}
