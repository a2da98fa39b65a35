import { Type } from 'typebox';

/** Pieces that the schemas of several files share. Patterns are plain JSON Schema, so that editors check them too. */
const OCTET = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const LABEL = '[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?';

/** One label of RFC 1123: what a machine calls itself. */
export const LABEL_PATTERN = `^${LABEL}$`;
/** Without anchors; what parseIpv4 reads. */
export const IPV4_PATTERN = `${OCTET}(\\.${OCTET}){3}`;
/** RFC 1123: labels of letters, digits and inner hyphens. */
export const DOMAIN_PATTERN = `^${LABEL}(\\.${LABEL})*$`;
/** What parseMac reads. */
export const MAC_PATTERN =
  '^([0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}(\\.[0-9A-Fa-f]{4}){2}|[0-9A-Fa-f]{12})$';

/** A pattern, and what it means in words. `patternErrorMessage` is understood by the editors' YAML server. */
export function words(pattern: string, expected: string): { pattern: string; patternErrorMessage: string } {
  return { pattern, patternErrorMessage: `expected ${expected}` };
}

export function address(description: string, example: string) {
  return Type.String({
    ...words(`^${IPV4_PATTERN}$`, `an IPv4 address such as ${example}`),
    description,
    examples: [example],
  });
}

export function network(description: string, example: string, extra: object = {}) {
  return Type.String({
    ...words(`^${IPV4_PATTERN}/(\\d|[12]\\d|3[0-2])$`, `an IPv4 network such as ${example}`),
    description,
    examples: [example],
    ...extra,
  });
}
