/**
 * Every time stamp of what is built, in seconds since 1970: one fixed moment, so that equal inputs give equal bytes
 * whenever they are built (2024-01-01).
 */
export const sourceDateEpoch = 1_704_067_200
