/** Names whose values are for the machine alone. */
const SECRET_NAME =
  /passw|passphrase|secret|token|private|credential|psk|^stringData$|(?:^|root|[^a-z])pw$|[^a-z]key$|[a-z]Key$/i;
/** Keys that everybody may know, and names of files. */
const OPEN_NAME = /public|authorized|certificates?$|topologyKey|file$|path$|url$|name$|ttl$/i;

/** `tokenReview: true`, `password: ''`, a value that a template puts in, a block that begins: nothing to hide. */
const HARMLESS_VALUE =
  /^(?:''|""|\[\]|[[{]$|\{.*|true|false|yes|no|null|~|\d{1,5}|(?:\['', )?<[\w -]+>\]?|[|>][-+\d]*|&\w+|#.*)\s*(?:#.*)?,?$|\{\{/i;
/** A file's name, or what a shell puts in: `client-key: /etc/kubernetes/admin.key`, `token: '$TOKEN'`. */
const ELSEWHERE = /^["']?(?:\/(?:[\w.-]{1,99}\/){1,20}[\w.-]{1,99}|\$\{?[A-Z][A-Z0-9_]{0,99}\}?)["']?,?$/;

/** Whether what is called so in a text is to be hidden. `key` alone is what Kubernetes calls a label's name. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !OPEN_NAME.test(name);
}

/** The same of a parameter, or of a name below another: in `secrets: { db: … }` all is one, but for what may be known. */
export function isSecretBelow(name: string, isSecret: boolean): boolean {
  return (isSecret || SECRET_NAME.test(name) || /^key$/i.test(name)) && !isOpenName(name);
}

export function isOpenName(name: string): boolean {
  return OPEN_NAME.test(name);
}

export function isHarmless(value: string): boolean {
  return HARMLESS_VALUE.test(value) || ELSEWHERE.test(value);
}
