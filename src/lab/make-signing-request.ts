import { generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';

/** DER of ecdsa-with-SHA256 (RFC 5758 3.2): 1.2.840.10045.4.3.2. */
const ECDSA_WITH_SHA256 = '300a06082a8648ce3d040302';

/**
 * A PKCS #10 request in PEM with a new key on P-256 and no name in it: what is signed is what the machine is entitled to.
 *
 *     CertificationRequest ::= SEQUENCE { info, algorithm, signature BIT STRING }
 *     info                 ::= SEQUENCE { version 0, subject SEQUENCE {}, key, attributes [0] {} }
 */
export async function makeSigningRequest(): Promise<string> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'prime256v1' });
  const key = publicKey.export({ type: 'spki', format: 'der' });
  const info = wrap(0x30, Buffer.from('0201003000', 'hex'), key, Buffer.from('a000', 'hex'));
  const signature = sign('sha256', info, privateKey);
  const der = wrap(
    0x30,
    info,
    Buffer.from(ECDSA_WITH_SHA256, 'hex'),
    wrap(0x03, Buffer.from([0]), signature),
  );
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join('\n')}\n-----END CERTIFICATE REQUEST-----\n`;
}

function wrap(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const length =
    content.length < 0x80
      ? [content.length]
      : content.length < 0x100
        ? [0x81, content.length]
        : [0x82, content.length >> 8, content.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}
