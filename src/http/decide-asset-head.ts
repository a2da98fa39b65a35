import { contentTypeOf } from './asset-headers.ts';
import { parseByteRange } from './byte-range.ts';
import { type ConditionalHeaders, evaluateConditions, rangeApplies } from './evaluate-conditions.ts';

/** Of a file, here or at another server. */
export interface AssetDescription {
  readonly size: number;
  /** With its quotes. */
  readonly etag: string;
  /** Milliseconds since the epoch. */
  readonly lastModified: number;
}

export interface AssetHead {
  readonly status: 200 | 206 | 304 | 412 | 416;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly hasBody: boolean;
  readonly start: number;
  readonly end: number;
}

/** What a GET or HEAD of a file is answered with, before its bytes (RFC 9110, 13 and 14). */
export function decideAssetHead(
  method: string,
  headers: ConditionalHeaders & { readonly range?: string | undefined },
  { size, ...validators }: AssetDescription,
  name: string,
): AssetHead {
  const common = {
    etag: validators.etag,
    'last-modified': new Date(validators.lastModified).toUTCString(),
    'accept-ranges': 'bytes',
  };
  const nothing = { hasBody: false, start: 0, end: 0 };
  const condition = evaluateConditions(headers, validators);
  if (condition === 304) return { status: 304, headers: common, ...nothing };
  if (condition === 412) return { status: 412, headers: { ...common, 'content-length': 0 }, ...nothing };

  const wanted =
    method === 'GET' && rangeApplies(headers['if-range'], validators) ? headers.range : undefined;
  const range = parseByteRange(wanted, size);
  const typed = { ...common, 'content-type': contentTypeOf(name) };
  if (range.kind === 'unsatisfiable') {
    const unsatisfied = { 'content-range': `bytes */${size}`, 'content-length': 0 };
    return { status: 416, headers: { ...common, ...unsatisfied }, ...nothing };
  }
  if (range.kind === 'whole') {
    const whole = { ...typed, 'content-length': size };
    return { status: 200, headers: whole, hasBody: method === 'GET', start: 0, end: size };
  }
  const { start, end } = range;
  const part = { 'content-range': `bytes ${start}-${end - 1}/${size}`, 'content-length': end - start };
  return { status: 206, headers: { ...typed, ...part }, hasBody: true, start, end };
}
