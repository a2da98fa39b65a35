import type { ConfigProblem } from './cloud-config-schema.ts';
import { readDataUrl } from './data-url.ts';
import { findRepeated } from './find-repeated.ts';
import type { IgnitionResource } from './ignition-config.ts';

/** Scheme → the minor version that brought it. */
const SCHEMES: Readonly<Record<string, number>> = {
  http: 0,
  https: 0,
  tftp: 0,
  s3: 0,
  data: 0,
  gs: 2,
  arn: 4,
};
/** Hash → its length in hexadecimal digits, and the minor version that brought it. */
const HASHES: Readonly<Record<string, { readonly digits: number; readonly since: number }>> = {
  sha512: { digits: 128, since: 0 },
  sha256: { digits: 64, since: 1 },
};

/** What is wrong with something that is to be fetched; its URL is not quoted, since it may hold the contents. */
export function checkResource(
  { source, compression = '', httpHeaders = [], verification = {} }: IgnitionResource,
  path: ConfigProblem['path'],
  options: { readonly minor: number; readonly isNeeded?: boolean },
): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const complain = (message: string, ...field: readonly (string | number)[]) =>
    problems.push({ path: [...path, ...field], message });
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(source ?? '')?.[1]?.toLowerCase();

  if (source === undefined) {
    if (options.isNeeded === true) complain('a source is wanted');
  } else if (source === '') {
    if (options.isNeeded === true) complain('the source is empty', 'source');
  } else {
    const wrong = describeWrongUrl(source, scheme, options.minor);
    if (wrong !== undefined) complain(wrong, 'source');
  }

  if (compression !== '' && compression !== 'gzip')
    complain('the compression is gzip, or nothing', 'compression');
  else if (compression !== '' && (scheme === 's3' || scheme === 'arn')) {
    complain('nothing from S3 is decompressed', 'compression');
  }

  if (verification.hash !== undefined) {
    const wrong = describeWrongHash(verification.hash, options.minor);
    if (wrong !== undefined) complain(wrong, 'verification', 'hash');
    else if (source === undefined)
      complain('a hash without a source verifies nothing', 'verification', 'hash');
  }

  if (httpHeaders.length > 0 && scheme !== 'http' && scheme !== 'https') {
    complain('only http and https send headers', 'httpHeaders');
  }
  for (const [index, { name, value }] of httpHeaders.entries()) {
    // RFC 9110, 5.1 and 5.5.
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
      complain('this is no name of a header', 'httpHeaders', index, 'name');
    if (/[\r\n\0]/.test(value ?? '')) complain('a header is one line of text', 'httpHeaders', index, 'value');
  }
  problems.push(
    ...findRepeated(httpHeaders, ({ name }) => name.toLowerCase(), [...path, 'httpHeaders'], 'name'),
  );
  return problems;
}

function describeWrongUrl(source: string, scheme: string | undefined, minor: number): string | undefined {
  const known = Object.keys(SCHEMES).filter((name) => (SCHEMES[name] ?? 0) <= minor);
  if (scheme === undefined || !known.includes(scheme)) {
    const since = scheme === undefined ? undefined : SCHEMES[scheme];
    const hint = since === undefined ? '' : ` (${scheme} since version 3.${since}.0)`;
    return `a source is a URL of ${known.join(', ')}${hint}`;
  }
  // Go's url.Parse refuses them, outside of a query at least.
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f]/.test(source)) return 'a URL has no spaces, line breaks or control characters';
  if (!source.isWellFormed()) return 'the URL is no Unicode';
  if (scheme === 'data')
    return readDataUrl(source) === undefined ? 'this is no data URL (RFC 2397)' : undefined;
  if (/%(?![0-9A-Fa-f]{2})/.test(source)) return 'a percent sign in a URL needs two hexadecimal digits';
  if (scheme === 'arn') {
    return /^arn:[^:]*:s3:[^:]*:[^:]*:(accesspoint\/[^/]+\/.|(?!accesspoint\/)[^/]+\/.)/.test(source)
      ? undefined
      : 'an ARN names an object of S3: arn:aws:s3:::bucket/object';
  }
  if (!/^[a-z0-9]+:\/\/[^/?#]/i.test(source)) return 'the URL names no host';
  if (scheme === 's3' && /[?&]versionId(=?(&|#|$))/.test(source)) return 'versionId is empty';
  return URL.canParse(source) ? undefined : 'this is no URL';
}

function describeWrongHash(hash: string, minor: number): string | undefined {
  const [, name = '', digits = ''] = /^([^-]*)-(.*)$/s.exec(hash) ?? [];
  const known = Object.entries(HASHES).filter(([, { since }]) => since <= minor);
  const found = known.find(([each]) => each === name)?.[1];
  if (found === undefined) {
    return `a hash is written ${known.map(([each]) => `${each}-<digits>`).join(' or ')}`;
  }
  if (digits.length === found.digits && /^[0-9a-fA-F]*$/.test(digits)) return undefined;
  return `a ${name} has ${found.digits} hexadecimal digits`;
}
