import { LABEL_PATTERN } from '../document/text-schemas.ts';
import { usageError } from './exit.ts';

const LABEL = new RegExp(LABEL_PATTERN);

/** As machines.yaml has it. Throws TinderboxError `usage` on what is no hostname of one label. */
export function requireHostname(text: string): string {
  if (LABEL.test(text)) return text;
  throw usageError(
    `--hostname '${text}': a hostname has up to 63 letters, digits and inner hyphens (RFC 1123), and no domain`,
    'Write it as --hostname node-7.',
  );
}
