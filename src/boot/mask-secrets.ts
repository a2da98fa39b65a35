import type { Parameters, ParameterValue } from '../machine/role.ts';

const MASK = '********';

/** Names whose values are for the machine alone. */
const SECRET_NAME = /passw|passphrase|secret|token|private|credential|psk|(^|[^a-z])key$|[a-z]Key$/i;
/** Keys that everybody may know, and names of files. */
const OPEN_NAME = /public|authorized|file$|path$|url$/i;
/** A shorter value would be found everywhere. */
const SHORTEST = 4;

/**
 * A script or configuration fit to be looked at: session tokens, private keys, passwords and their hashes, join tokens,
 * and the values of parameters with such names are masked, also in base64. `parameters`: what it was rendered with.
 */
export function maskSecrets(text: string, parameters: Parameters = {}): string {
  const secrets = secretsOf(parameters);
  let masked = text
    .replace(/(\/boot\/\d{1,15})-[A-Za-z0-9_-]{32}/g, '$1-…')
    .replace(/[A-Za-z0-9+/]{24,}={0,2}/g, (block) => (holdsSecret(block, secrets) ? MASK : block))
    .replace(/(-----BEGIN [A-Z ]*PRIVATE KEY-----)[^]*?(-----END [A-Z ]*PRIVATE KEY-----)/g, `$1 ${MASK} $2`)
    // crypt(3): $y$…, $6$…, $2b$…, $argon2id$…
    .replace(/\$(?:y|gy|7|6|5|1|2[abxy]|argon2id?)\$[./A-Za-z0-9,=$+-]{8,}/g, MASK)
    // kubeadm's bootstrap tokens.
    .replace(/\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g, MASK)
    .replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@'"]+:)[^\s/@'"]+@/gi, `$1${MASK}@`)
    .replace(
      /^(\s*(?:- )?["']?(?:passwd|password|hashed_passwd|plain_text_passwd)["']?\s*[:=]\s*)(?!\s*$).+$/gim,
      `$1${MASK}`,
    );
  for (const value of secrets) {
    for (const form of [value, JSON.stringify(value).slice(1, -1), Buffer.from(value).toString('base64')])
      masked = masked.replaceAll(form, MASK);
  }
  return masked;
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
