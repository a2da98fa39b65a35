import type { Parameters, ParameterValue } from '../machine/role.ts';
import { readDataUrl, textDataUrl } from '../render/data-url.ts';
import { maskNamed } from './mask-named.ts';
import { isSecretBelow } from './secret-names.ts';

export const MASK = '********';

/** A shorter value would be found everywhere. */
const SHORTEST = 4;

/** To the end of the text where it has none of its own: what is shown may have been cut. */
const PRIVATE_KEY =
  /(-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----)([^]*?)(-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)/g;
const DATA_URL = /\bdata:[A-Za-z0-9.+/-]{0,80}(?:;[A-Za-z0-9=-]{1,40}){0,3},[^\s"]{4,}/g;
/** As one where it goes over several lines. */
const BASE64 = /[A-Za-z0-9+/]{24,}={0,2}(?:\r?\n[ \t]{0,99}[A-Za-z0-9+/]{4,}={0,2}(?!\S))*/g;

/**
 * A script, configuration or template fit to be looked at: session tokens, private keys, passwords and their hashes, join tokens,
 * and the values of parameters with such names are masked, also in base64. `parameters`: what it was rendered with. Lines keep their
 * numbers. Takes time in proportion to the text, whatever stands in it: every repetition in a pattern is bounded, or consumes what it saw.
 */
export function maskSecrets(text: string, parameters: Parameters = {}): string {
  const secrets = secretsOf(parameters);
  const open = text.replace(DATA_URL, (url) => maskDataUrl(url, secrets));
  return maskAll(open, secrets);
}

function maskAll(text: string, secrets: readonly string[]): string {
  return maskValues(maskNamed(maskShapes(text, secrets), MASK), secrets);
}

/** A file's contents in an Ignition config: what is a secret in the file is one here, behind percent signs or base64. */
function maskDataUrl(url: string, secrets: readonly string[]): string {
  const text = readDataUrl(url)?.toString('utf8');
  if (text === undefined) return url;
  const masked = maskAll(text, secrets);
  if (masked === text) return url;
  return textDataUrl(masked) ?? `data:,${MASK}`;
}

/** Of a short text that says what is wrong with a rendered one: the values of secret parameters. */
export function maskParameters(text: string, parameters: Parameters): string {
  return maskValues(text, secretsOf(parameters));
}

/** What is known for a secret by how it looks. */
function maskShapes(text: string, secrets: readonly string[]): string {
  return (
    text
      .replace(/(\/boot\/\d{1,15})-[A-Za-z0-9_-]{32}/g, '$1-…')
      .replace(BASE64, (block) =>
        holdsSecret(block, secrets) ? block.replace(/[A-Za-z0-9+/]{4,}={0,2}/g, MASK) : block,
      )
      .replace(
        PRIVATE_KEY,
        (_, begin: string, body: string, end: string) =>
          // The indentation of YAML and line breaks stay, also those that JSON writes as \n.
          `${begin}${body.replace(/(?<!\\)[A-Za-z0-9+/=*]{2,}/g, MASK)}${end}`,
      )
      // crypt(3): $y$…, $6$…, $2b$…, $argon2id$…
      .replace(/\$(?:y|gy|7|6|5|1|2[abxy]|argon2id?)\$[./A-Za-z0-9,=$+-]{8,}/g, MASK)
      // kubeadm's bootstrap tokens.
      .replace(/\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g, MASK)
      .replace(
        /((?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,20}:\/\/[^\s/:@'"]{0,100}:)[^\s/@'"]{1,200}@/gi,
        `$1${MASK}@`,
      )
      // JSON web tokens.
      .replace(/\beyJ[\w-]{8,4096}\.[\w-]{1,4096}\.[\w-]*/g, MASK)
      .replace(
        /(\bauthorization["']?[ \t]{0,3}[:=][ \t]{0,3}["']?(?:bearer|basic|token) {1,3})[^\s"'${]+/gi,
        `$1${MASK}`,
      )
      // curl's.
      .replace(/((?<!\S)(?:-u|--user)[ =]["']?[A-Za-z][^\s:"'$]{0,99}:)[^\s"'${]+/g, `$1${MASK}`)
      // netrc(5).
      .replace(/(\blogin[ \t]{1,3}\S{1,100}[ \t]{1,3}password[ \t]{1,3})[^\s{]+/g, `$1${MASK}`)
  );
}

function maskValues(text: string, secrets: readonly string[]): string {
  let masked = text;
  for (const value of secrets) for (const form of formsOf(value)) masked = masked.replaceAll(form, MASK);
  return masked;
}

/** As the helpers of templates and YAML write it, alone or one in the other. Longest first: one may be a part of another. */
function formsOf(value: string): readonly string[] {
  const plain = [
    value,
    // shell, unit, and YAML between single quotes.
    value.replaceAll("'", String.raw`'\''`),
    value.replaceAll('%', '%%').replaceAll(/["\\]/g, String.raw`\$&`),
    value.replaceAll("'", "''"),
  ];
  const forms = [
    ...plain,
    ...plain.map((text) => JSON.stringify(text).slice(1, -1)),
    Buffer.from(value).toString('base64'),
    encodeURIComponent(value.toWellFormed()),
  ];
  return [...new Set(forms)].sort((a, b) => b.length - a.length);
}

/** A file's content in base64, as in `encoding: b64`. */
function holdsSecret(block: string, secrets: readonly string[]): boolean {
  const bytes = Buffer.from(block, 'base64');
  return (
    bytes.includes('PRIVATE KEY-----') ||
    secrets.some((secret) => formsOf(secret).some((form) => bytes.includes(form)))
  );
}

/** Of a text of several: what is long enough to be a secret by itself. */
function linesOf(value: string): readonly string[] {
  return value.includes('\n')
    ? value
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line.length >= 16)
    : [];
}

/** Longest first: one may be a part of another. */
function secretsOf(parameters: Parameters): readonly string[] {
  const found = new Set<string>();
  const look = (name: string, value: ParameterValue, isSecret: boolean): void => {
    const secret = isSecretBelow(name, isSecret);
    if (typeof value === 'string' || typeof value === 'number') {
      if (secret && String(value).length >= SHORTEST) found.add(String(value));
      // An indented text is not found as a whole.
      if (secret) for (const line of linesOf(String(value))) found.add(line);
    } else if (Array.isArray(value)) {
      for (const each of value as readonly ParameterValue[]) look(name, each, isSecret);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, each] of Object.entries(value as Parameters)) look(key, each, secret);
    }
  };
  for (const [name, value] of Object.entries(parameters)) look(name, value, false);
  return [...found].sort((a, b) => b.length - a.length);
}
