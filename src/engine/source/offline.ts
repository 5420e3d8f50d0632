/** What to do about something that is not here, and can't be asked for since yoe works offline. */
export const offlineHint = 'run it once without --offline, or import a bundle that has it: yoe bundle import FILE'
