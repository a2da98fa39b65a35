export interface PemBlock {
  /** `CERTIFICATE`, `RSA PRIVATE KEY`, … */
  readonly label: string;
  readonly der: Buffer;
  /** The block as it stood, with a line's end. */
  readonly pem: string;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n([\s\S]*?)-----END \1-----/g;

/**
 * Every block of a PEM text (RFC 7468); what stands between them is commentary. Throws an Error on a block that is cut
 * off or is no base64.
 */
export function readPem(text: string): readonly PemBlock[] {
  const blocks = Array.from(text.matchAll(BLOCK), ([whole, label = '', body = '']) => {
    const base64 = body.replace(/[\r\n\t ]/g, '');
    const der = Buffer.from(base64, 'base64');
    // Buffer skips what it does not understand.
    if (der.length === 0 || der.toString('base64') !== base64) {
      // An encrypted key of the old kind has headers before its base64.
      if (/^Proc-Type:/m.test(body)) return { label: `ENCRYPTED ${label}`, der, pem: `${whole}\n` };
      throw new Error(`a ${label} block is not base64`);
    }
    return { label, der, pem: `${whole.replaceAll('\r\n', '\n')}\n` };
  });
  const begun = text.match(/-----BEGIN /g)?.length ?? 0;
  if (begun !== blocks.length) throw new Error('a block has no end: the text is cut off');
  return blocks;
}

export function writePem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64');
  return `-----BEGIN ${label}-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`;
}
