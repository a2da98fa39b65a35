/** What Node's `code` says where a server's certificate is from an authority that is not known here. OpenSSL, X509_V_ERR_*. */
const WRONG_AUTHORITY = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
]);

export function isFromUnknownAuthority(code: string): boolean {
  return WRONG_AUTHORITY.has(code);
}
