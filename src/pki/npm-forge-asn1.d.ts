/**
 * The ASN.1 part of node-forge alone: half of the memory and time to load of the whole package, whose RSA is pure
 * JavaScript (it blocks for tens of milliseconds) and whose X.509 knows no elliptic curves.
 */
declare module 'node-forge/lib/asn1.js' {
  import type { asn1 as Asn1Namespace } from 'node-forge';

  const asn1: Omit<typeof Asn1Namespace, 'fromDer'> & {
    fromDer(
      bytes: string,
      options: {
        readonly strict: boolean;
        readonly parseAllBytes: boolean;
        readonly decodeBitStrings: boolean;
        readonly maxDepth: number;
      },
    ): Asn1Namespace.Asn1;
  };
  export default asn1;
}
