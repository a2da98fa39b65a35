import { readFileSync } from 'node:fs';

/**
 * How many descriptors this process may have open (RLIMIT_NOFILE); Node raises the soft limit to the hard one when it
 * starts. Undefined where the kernel does not say, or there is none.
 */
export function readDescriptorLimit(file = '/proc/self/limits'): number | undefined {
  try {
    const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync(file, 'utf8'))?.[1]);
    return Number.isInteger(limit) ? limit : undefined;
  } catch {
    return undefined;
  }
}
