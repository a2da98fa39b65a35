import { TinderboxError } from '../errors.ts';

/**
 * GRUB's shell splits at white space and `;`, and expands `$` outside of single quotes; between single quotes nothing
 * means anything (grub-core/script/yylex.l, as grub-emu does it in the tests). A quote itself therefore stands outside
 * of them, behind a backslash.
 */
export function grubWord(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** For `echo`: one line, printable. It stands behind a word of ours, so that no `-e` or `-n` is taken for an option. */
export function grubText(text: string): string {
  return grubWord(`Tinderbox: ${text.replace(/[^\x20-\x7e]+/g, ' ').trim()}`);
}

/** How a GRUB reached us: what it loads comes the same way, since Debian 12's signed one knows no HTTP. */
export type GrubTransport = 'http' | 'tftp';

/** Of the server, as the machine reached it. */
export interface GrubPlace {
  /** `http://10.77.0.1:8080`, without a trailing slash. */
  readonly url: string;
  /** A dotted quad. */
  readonly address: string;
}

/**
 * `(http,10.77.0.1:8080)/assets/vmlinuz`: GRUB's spelling of a path of ours, or of a whole URL. Throws TinderboxError
 * `invalid-template` for what that GRUB cannot fetch.
 */
export function grubPath(path: string, transport: GrubTransport, place: GrubPlace): string {
  if (path.startsWith('/')) {
    // Where a proxy before us has TLS, which no GRUB knows, TFTP is the way that is left.
    const byTftp = transport === 'tftp' || !place.url.startsWith('http://');
    return byTftp ? `(tftp,${place.address})${path}` : httpPath(`${place.url}${path}`);
  }
  if (transport === 'tftp') {
    throw new TinderboxError('invalid-template', `this GRUB has no HTTP, and ${path} is of another server`, {
      remedy: 'Put the file below /assets, or use a GRUB with the module http (Debian 13 signs one).',
    });
  }
  return httpPath(path);
}

function httpPath(url: string): string {
  const [, host, path = '/'] = /^http:\/\/([^/]+)(\/.*)?$/.exec(url) ?? [];
  if (host === undefined) {
    throw new TinderboxError('invalid-template', `GRUB cannot fetch ${url}: it knows http alone`, {
      remedy: 'Put the file below /assets, or name an http URL.',
    });
  }
  return `(http,${host})${path}`;
}

/**
 * Kernel arguments as words of GRUB's shell. Throws TinderboxError `invalid-template` for what GRUB would change: it
 * puts a backslash before quotes and backslashes (grub-core/lib/cmdline.c), and knows none of iPXE's settings.
 */
export function grubArguments(words: readonly string[]): readonly string[] {
  return words.map((word) => {
    if (/['"\\]/.test(word)) {
      throw new TinderboxError(
        'invalid-template',
        `GRUB would put a backslash into the kernel argument ${nameOf(word)}`,
        {
          remedy: 'Do without quotes and backslashes in cmdline, or boot these machines by iPXE.',
        },
      );
    }
    if (word.includes('${')) {
      throw new TinderboxError(
        'invalid-template',
        `GRUB has no setting of iPXE's, as in the kernel argument ${nameOf(word)}`,
        {
          remedy: 'Use the variables of templates ({{machine.mac}}), or boot these machines by iPXE.',
        },
      );
    }
    return grubWord(word);
  });
}

/** Its value may be a secret, and what is said of it goes to the log. */
function nameOf(argument: string): string {
  const [name = ''] = argument.split('=', 1);
  return name;
}
