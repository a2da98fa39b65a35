/** Makes the error that names the script's line. */
type Refuse = (what: string) => Error;

/** `net0/mac`, `netX/dhcp/next-server` → the name without its scope; this machine has one interface. */
export function settingName(text: string): string {
  return text.slice(text.lastIndexOf('/') + 1).replace(/:.*$/, '');
}

/** Innermost `${…}` first, as iPXE does, so that a name may hold another setting. */
export function expandSettings(valueOf: (name: string) => string, refuse: Refuse, word: string): string {
  let text = word;
  for (let depth = 0; depth < 32; depth++) {
    const expanded = text.replace(/\$\{([^{}$]*)\}/, (_whole, inner: string) => {
      const [path = '', ...formats] = inner.slice(inner.lastIndexOf('/') + 1).split(':');
      return formats.reduce((value, format) => formatSetting(refuse, value, format), valueOf(path));
    });
    if (expanded === text) return text;
    text = expanded;
  }
  throw refuse(`\`${word}\` expands without end`);
}

function formatSetting(refuse: Refuse, value: string, format: string): string {
  switch (format) {
    case 'string':
    case 'ipv4':
    case 'uuid':
    case 'hex':
    case 'int32':
    case 'uint32':
      return value;
    case 'hexhyp':
      return value.replaceAll(':', '-');
    case 'hexraw':
      return value.replace(/[:-]/g, '');
    case 'uristring':
      // iPXE keeps RFC 3986's unreserved characters, of which encodeURIComponent leaves !'()* unescaped as well.
      return encodeURIComponent(value).replace(
        /[!'()*]/g,
        (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
      );
    default:
      throw refuse(`setting format \`:${format}\` is not one that the virtual client knows`);
  }
}
