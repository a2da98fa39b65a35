import type { KeyObject } from 'node:crypto';
import type { AuthorityName, CertificateName, Identity } from '../machine/identity.ts';
import type { Ipv4 } from '../machine/ipv4.ts';

export type Usage = 'client' | 'server';

export interface Subject {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

/** Names that a certificate holds besides its subject: lower case, each once. */
export interface Names {
  readonly dns: readonly string[];
  readonly addresses: readonly Ipv4[];
}

/** Exactly what may be signed: nothing in a certificate comes from anywhere else, its public key excepted. */
export interface Entitlement {
  readonly name: CertificateName;
  readonly authority: AuthorityName;
  readonly subject: Subject;
  readonly names: Names;
  readonly usage: readonly Usage[];
  /** Milliseconds from now; a certificate never outlives its authority. */
  readonly lifetime: number;
}

/** What of tinderbox.yaml's `cluster:` gets into certificates. */
export interface ClusterNames {
  readonly apiServer: string;
  readonly serviceNetwork: string;
  readonly dnsDomain: string;
}

export interface NamedMachine {
  readonly hostname: string;
  readonly addresses: readonly Ipv4[];
}

export interface EntitlementFacts extends NamedMachine {
  readonly identity: Identity;
  /** What its kubelet registers as: the hostname, or (`--hostname-override`) one of its addresses. Absent: the hostname. */
  readonly nodeName?: string;
  readonly cluster: ClusterNames;
  /** Every controller of the cluster; whether this machine is among them does not matter. */
  readonly controllers: readonly NamedMachine[];
}

export interface SignedCertificate {
  readonly name: CertificateName;
  /** The certificate, then intermediate authorities if an imported one is not self-signed. */
  readonly certificatePem: string;
  /** Hexadecimal. */
  readonly serial: string;
  /** SHA-256 of the public key (SubjectPublicKeyInfo), hexadecimal: tells whether a later request has the same key. */
  readonly keyFingerprint: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface IssuedCertificate extends SignedCertificate {
  /** PKCS #8, PEM. A secret: for one response, never for a log, an event or the database. */
  readonly keyPem: string;
}

/** What may be known of an authority. */
export interface AuthorityDescription {
  readonly name: AuthorityName;
  readonly subject: string;
  readonly issuer: string;
  readonly selfSigned: boolean;
  /** Hexadecimal. */
  readonly serial: string;
  /** SHA-256 of the certificate, hexadecimal pairs with colons, as `openssl x509 -fingerprint -sha256` prints it. */
  readonly fingerprint: string;
  /** `RSA 4096`, `EC P-256`. */
  readonly key: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Other authorities that machines are told to trust: parents, and those of a rotation. */
  readonly alsoTrusted: readonly {
    /** `issuer`: a parent of an intermediate authority. */
    readonly relation: 'issuer' | 'other';
    readonly subject: string;
    readonly fingerprint: string;
    readonly notBefore: number;
    readonly notAfter: number;
  }[];
}

export interface SignOptions {
  /** Only this public key (a former `keyFingerprint`); another one is `in-use` before anything is signed. */
  readonly onlyKey?: string;
}

/**
 * The cluster's authorities. What issues throws TinderboxError: `expired` if the authority is, `unavailable` if the
 * clock cannot be right, `busy` when hundreds wait already.
 */
export interface Authorities {
  /** Makes a key and its certificate. */
  issue(entitlement: Entitlement): Promise<IssuedCertificate>;
  /** Certifies a key whose owner is known to have it. */
  sign(entitlement: Entitlement, publicKey: KeyObject): Promise<SignedCertificate>;
  /**
   * Answers a PKCS #10 request. Also throws `malformed-packet` on what is none, `refused` on one that asks for more than
   * the entitlement, naming what, or whose key or signature is not good enough.
   */
  signRequest(pem: string, entitlement: Entitlement, options?: SignOptions): Promise<SignedCertificate>;
  /** What machines are given as the authority's certificate: PEM, one or more. */
  trustOf(authority: AuthorityName): string;
  /** PEM, of the pair that controllers share. The private one is a secret, as `keyPem` is. */
  serviceAccountKeys(): { readonly privateKeyPem: string; readonly publicKeyPem: string };
  describe(): readonly AuthorityDescription[];
}
