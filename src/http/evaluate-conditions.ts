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

const MONTH = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)';
const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const TIME = String.raw`\d\d:\d\d:\d\d`;
/** RFC 9110 section 5.6.7: the form that is sent, that of RFC 850, and asctime's, which has no zone and means GMT. */
const DATED = new RegExp(
  String.raw`^(?:${DAY}, \d\d ${MONTH} \d{4} ${TIME} GMT|[MTWFS][a-z]{2,5}day, \d\d-${MONTH}-\d\d ${TIME} GMT)$`,
);
const ASCTIME = new RegExp(String.raw`^${DAY} ${MONTH} [ \d]\d ${TIME} \d{4}$`);

/** Undefined for what is no HTTP date. Date.parse alone makes one of almost anything, `W/27Nov26 12:` for one. */
function readDate(text: string | undefined): number | undefined {
  const value = text?.trim() ?? '';
  const time = DATED.test(value) ? Date.parse(value) : ASCTIME.test(value) ? Date.parse(`${value} GMT`) : NaN;
  return Number.isNaN(time) ? undefined : time;
}
