import { maskSessionTokens } from '../boot/session-token.ts';
import type { Parameters, ParameterValue } from '../machine/role.ts';

/** What stands in a secret's place. */
export const MASK = '••••••••';

/** Names of settings whose values are not for a screen: `password`, `apiToken`, `ROOT_PASSWD`, `secretKey`, … */
const SECRET_NAME =
  /passw(or)?d|passphrase|secret|token|credential|api[-_]?key|private[-_]?key|access[-_]?key|psk$|community$/i;
/** Names of files, and of certificates' keys, are none. */
const HARMLESS_NAME = /file$|path$|url$|name$|ttl$/i;

/** A shorter one stands in every text by chance. */
const LEAST_LENGTH = 4;

/**
 * For people's eyes: private keys, password hashes, tokens and whatever is the value of a setting with a secret's name
 * are masked, in the text and as parameters that it was rendered from, plain and in base64. Keeps the number of lines,
 * so that a problem's line still is that line.
 */
export function maskSecrets(text: string, parameters: readonly Parameters[] = []): string {
  let masked = text;
  for (const secret of parameters.flatMap(secretsIn)) {
    for (const form of formsOf(secret)) masked = masked.replaceAll(form, MASK);
  }
  return maskSessionTokens(
    masked
      .replace(
        /(-----BEGIN [A-Z ]*PRIVATE KEY-----)([\s\S]*?)(-----END [A-Z ]*PRIVATE KEY-----)/g,
        (_, begin: string, body: string, end: string) =>
          // What stands before a line's base64 (the indentation of YAML) is kept; so are line breaks, as `\n` in JSON.
          `${begin}${body.replace(/[A-Za-z0-9+/=]{8,}/g, MASK)}${end}`,
      )
      // crypt(5): an MD5, bcrypt, SHA or yescrypt hash.
      .replace(/\$(?:1|2[abxy]?|5|6|y|gy|7)\$[./A-Za-z0-9$=,]{8,}/g, MASK)
      // A bootstrap token of Kubernetes, and a JSON web token.
      .replace(/\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g, MASK)
      .replace(/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, MASK)
      // user:password@ of a URL.
      .replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@'"]*:)[^\s/@'"]+@/gi, `$1${MASK}@`)
      .replace(
        /^([ \t]*(?:- )?(?:export |Environment=)?["']?([A-Za-z][\w.-]*)["']?[ \t]*[:=][ \t]*)(?![|>{[\s])(\S.*)$/gm,
        (line: string, before: string, name: string, value: string) =>
          isSecretName(name) && !value.includes('{{') && !isPlainWord(value) ? `${before}${MASK}` : line,
      ),
  );
}

function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !HARMLESS_NAME.test(name);
}

/** `passwordAuthentication: no`, `token: ''`: nothing to hide. */
function isPlainWord(value: string): boolean {
  return /^(?:''|""|true|false|yes|no|null|~|\d{1,5}|#.*)\s*(?:#.*)?$/i.test(value);
}

function secretsIn(parameters: Parameters): readonly string[] {
  return Object.entries(parameters).flatMap(([name, value]) => leaves(name, value, false));
}

function leaves(name: string, value: ParameterValue, inherited: boolean): readonly string[] {
  const secret = inherited || isSecretName(name);
  if (typeof value === 'string' || typeof value === 'number') {
    return secret && String(value).length >= LEAST_LENGTH ? [String(value)] : [];
  }
  if (Array.isArray(value)) return value.flatMap((one: ParameterValue) => leaves(name, one, secret));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value as Parameters).flatMap(([inner, one]) => leaves(inner, one, secret));
}

/** As it stands in a text, in JSON or a quoted string, and in base64. */
function formsOf(secret: string): readonly string[] {
  return [secret, JSON.stringify(secret).slice(1, -1), toBase64(secret)];
}

function toBase64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64').replace(/=+$/, '');
}
