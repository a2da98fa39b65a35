/** The request's conditional headers, as Node gives them. */
export interface ConditionalHeaders {
  readonly 'if-match'?: string | undefined;
  readonly 'if-none-match'?: string | undefined;
  readonly 'if-modified-since'?: string | undefined;
  readonly 'if-unmodified-since'?: string | undefined;
  readonly 'if-range'?: string | undefined;
}

/** What the file is now. `lastModified` has whole seconds, as HTTP dates have. */
export interface Validators {
  readonly etag: string;
  /** Milliseconds since the epoch, a multiple of 1000. */
  readonly lastModified: number;
}

/** In the order of RFC 9110 section 13.2.2, without If-Range. */
export function evaluateConditions(headers: ConditionalHeaders, now: Validators): 'proceed' | 304 | 412 {
  if (headers['if-match'] !== undefined) {
    if (!listsTag(headers['if-match'], now.etag, 'strong')) return 412;
  } else {
    const unmodifiedSince = readDate(headers['if-unmodified-since']);
    if (unmodifiedSince !== undefined && now.lastModified > unmodifiedSince) return 412;
  }
  if (headers['if-none-match'] !== undefined) {
    return listsTag(headers['if-none-match'], now.etag, 'weak') ? 304 : 'proceed';
  }
  const modifiedSince = readDate(headers['if-modified-since']);
  return modifiedSince !== undefined && now.lastModified <= modifiedSince ? 304 : 'proceed';
}

/** Whether a Range header counts (RFC 9110 section 13.1.5): always without If-Range, else only for this version. */
export function rangeApplies(ifRange: string | undefined, now: Validators): boolean {
  if (ifRange === undefined) return true;
  const value = ifRange.trim();
  return value.startsWith('"') ? value === now.etag : readDate(value) === now.lastModified;
}

function listsTag(header: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (header.trim() === '*') return true;
  return header.split(',').some((item) => {
    const tag = item.trim();
    return tag === etag || (comparison === 'weak' && tag === `W/${etag}`);
  });
}

function readDate(text: string | undefined): number | undefined {
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}
