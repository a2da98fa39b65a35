import type { Parameters, ParameterValue } from '../machine/role.ts';

export const MASK = '********';

/** Names whose values are for the machine alone. */
const SECRET_NAME = /passw|passphrase|secret|token|private|credential|psk|(^|[^a-z])key$|[a-z]Key$/i;
/** Keys that everybody may know, and names of files. */
const OPEN_NAME = /public|authorized|file$|path$|url$|name$|ttl$/i;
/** A shorter value would be found everywhere. */
const SHORTEST = 4;

/** `tokenReview: true`, `password: ''`, a value that a template puts in, a block that begins: nothing to hide. */
const HARMLESS_VALUE =
  /^(?:''|""|\[\]|\{.*|true|false|yes|no|null|~|\d{1,5}|<[\w -]+>|[|>][-+\d]*|&\w+|#.*)\s*(?:#.*)?,?$|\{\{/i;

/**
 * A script, configuration or template fit to be looked at: session tokens, private keys, passwords and their hashes, join tokens,
 * and the values of parameters with such names are masked, also in base64. `parameters`: what it was rendered with. Lines keep their numbers.
 */
export function maskSecrets(text: string, parameters: Parameters = {}): string {
  const secrets = secretsOf(parameters);
  let masked = text
    .replace(/(\/boot\/\d{1,15})-[A-Za-z0-9_-]{32}/g, '$1-…')
    .replace(/[A-Za-z0-9+/]{24,}={0,2}/g, (block) => (holdsSecret(block, secrets) ? MASK : block))
    .replace(
      /(-----BEGIN [A-Z ]*PRIVATE KEY-----)([^]*?)(-----END [A-Z ]*PRIVATE KEY-----)/g,
      (_, begin: string, body: string, end: string) =>
        // The indentation of YAML and line breaks stay, also those that JSON writes as \n.
        `${begin}${body.replace(/(?<!\\)[A-Za-z0-9+/=*]{2,}/g, MASK)}${end}`,
    )
    // crypt(3): $y$…, $6$…, $2b$…, $argon2id$…
    .replace(/\$(?:y|gy|7|6|5|1|2[abxy]|argon2id?)\$[./A-Za-z0-9,=$+-]{8,}/g, MASK)
    // kubeadm's bootstrap tokens.
    .replace(/\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g, MASK)
    .replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@'"]+:)[^\s/@'"]+@/gi, `$1${MASK}@`)
    // JSON web tokens.
    .replace(/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, MASK)
    .replace(
      /^([ \t]*(?:- )?(?:export |Environment=)?["']?([A-Za-z][\w.-]*)["']?[ \t]*[:=][ \t]*)(\S.*)$/gm,
      (line: string, before: string, name: string, value: string) =>
        isSecretName(name) && !HARMLESS_VALUE.test(value) ? `${before}${MASK}` : line,
    )
    // The same within a map on one line: `{ user: joe, password: hunter2 }`.
    .replace(
      /([{,][ \t]*["']?([A-Za-z][\w.-]*)["']?:[ \t]+)([^,{}[\]\s][^,{}]*)/g,
      (part: string, before: string, name: string, value: string) =>
        isSecretName(name) && !HARMLESS_VALUE.test(value.trim()) ? `${before}${MASK} ` : part,
    );
  for (const value of secrets) {
    for (const form of [value, JSON.stringify(value).slice(1, -1), Buffer.from(value).toString('base64')])
      masked = masked.replaceAll(form, MASK);
  }
  return masked;
}

function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !OPEN_NAME.test(name);
}

/** A file's content in base64, as in `encoding: b64`. */
function holdsSecret(block: string, secrets: readonly string[]): boolean {
  const text = Buffer.from(block, 'base64').toString('latin1');
  return text.includes('PRIVATE KEY-----') || secrets.some((secret) => text.includes(secret));
}

/** Longest first: one may be a part of another. */
function secretsOf(parameters: Parameters): readonly string[] {
  const found = new Set<string>();
  const look = (name: string, value: ParameterValue, isSecret: boolean): void => {
    const secret = (isSecret || SECRET_NAME.test(name)) && !OPEN_NAME.test(name);
    if (typeof value === 'string' || typeof value === 'number') {
      if (secret && String(value).length >= SHORTEST) found.add(String(value));
    } else if (Array.isArray(value)) {
      for (const each of value as readonly ParameterValue[]) look(name, each, isSecret);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, each] of Object.entries(value as Parameters)) look(key, each, secret);
    }
  };
  for (const [name, value] of Object.entries(parameters)) look(name, value, false);
  return [...found].sort((a, b) => b.length - a.length);
}
