import { join } from 'node:path';
import { parseAssetPath } from '../../../src/http/asset-path.ts';
import { parseByteRange } from '../../../src/http/byte-range.ts';
import { evaluateConditions, rangeApplies } from '../../../src/http/evaluate-conditions.ts';
import { bytesOf, TEXT_MUTATORS, textOf } from '../engine/mutate-text.ts';
import { type FuzzTarget, hold } from '../engine/target.ts';

const SIZES = [0, 1, 2, 100, 65_536, 2 ** 40];
const NOW = { etag: '"abc-1"', lastModified: Date.UTC(2026, 10, 27, 12) };
const DATE = new Date(NOW.lastModified).toUTCString();

/** Lines: the target, Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since. */
export const target: FuzzTarget = {
  what: 'a request for an asset: the path below the assets folder, its range and its conditions',
  aims: ['http/asset-path.ts', 'http/byte-range.ts', 'http/evaluate-conditions.ts'],
  maxLength: 2_048,
  seeds: () =>
    [
      '/assets/flatcar/vmlinuz\nbytes=0-99',
      '/assets//x\nbytes=-5\n"abc-1"',
      `http://10.77.0.1/assets/ipxe//grubx64.efi?a=b\nbytes=5-\n${DATE}\n"x", "abc-1"\n*`,
      `/assets/%2e%2e/%2fetc/passwd\nbytes=0-0,5-9\nW/"abc-1"\n*\nW/"abc-1", "b"\n${DATE}\n${DATE}`,
    ].map(bytesOf),
  mutators: TEXT_MUTATORS,
  dictionary: [
    '/assets/',
    '/assets/ipxe//',
    '..',
    '%2e',
    '%2f',
    '%5c',
    '%00',
    '%',
    '%c0%ae',
    '?',
    '#',
    'http://',
    'bytes=',
    '-',
    '"abc-1"',
    'W/',
    '*',
    ', ',
    DATE,
    'Bytes=',
    '999999999999999',
    '0',
    '99',
    '100',
    '\t',
  ],
  run(input) {
    const [path = '', range, ifRange, ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince] =
      textOf(input).split('\n');
    const parsed = parseAssetPath(path);
    if (parsed.kind === 'path') {
      hold(parsed.segments.length > 0, 'a path without parts');
      const file = join('/srv/assets', ...parsed.segments);
      hold(file === `/srv/assets/${parsed.segments.join('/')}`, () => `${JSON.stringify(path)} is ${file}`);
      hold(
        parsed.segments.every((part) => part !== '' && !part.startsWith('.') && !part.includes('\0')),
        () => `parts ${JSON.stringify(parsed.segments)}`,
      );
    } else hold(parsed.reason !== '', 'a refusal without a reason');
    for (const size of SIZES) {
      const part = parseByteRange(range, size);
      if (part.kind !== 'part') continue;
      hold(Number.isInteger(part.start) && Number.isInteger(part.end), 'a range of no whole numbers');
      hold(
        part.start >= 0 && part.start < part.end && part.end <= size,
        () => `${range} of ${size} bytes is ${part.start} to ${part.end}`,
      );
    }
    const headers = {
      'if-match': ifMatch,
      'if-none-match': ifNoneMatch,
      'if-modified-since': ifModifiedSince,
      'if-unmodified-since': ifUnmodifiedSince,
    };
    const verdict = evaluateConditions(headers, NOW);
    if (ifMatch === undefined && ifUnmodifiedSince === undefined)
      hold(verdict !== 412, 'a precondition failed that was not asked');
    if (ifNoneMatch === undefined && ifModifiedSince === undefined)
      hold(verdict !== 304, 'it is not modified, and nobody asked');
    // RFC 9110 section 13.1.5: a weak tag never applies.
    if (ifRange?.trim().startsWith('W/') === true) hold(!rangeApplies(ifRange, NOW), 'a range by a weak tag');
  },
};
