/** How attempts or requests ended, in numbers. What was given up by the one who asked neither succeeded nor failed. Pure. */

export interface Counts {
  count: number;
  failed: number;
  /** Given up by the one who asked. */
  canceled?: number;
}

/** Adds the counts of groups. */
export function total(groups: readonly Counts[]): Required<Counts> {
  return groups.reduce<Required<Counts>>(
    (sum, group) => ({ count: sum.count + group.count, failed: sum.failed + group.failed, canceled: sum.canceled + (group.canceled ?? 0) }),
    { count: 0, failed: 0, canceled: 0 },
  );
}

/** Those that say something of what was asked: they succeeded or failed. Shares are shares of these. */
export function decided({ count, canceled = 0 }: Counts): number {
  return count - canceled;
}

export function succeeded(counts: Counts): number {
  return decided(counts) - counts.failed;
}
