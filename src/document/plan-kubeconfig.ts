import { createPrivateKey, X509Certificate } from 'node:crypto';
import { TinderboxError } from '../errors.ts';
import type { KubeconfigFound, KubeconfigNames } from './merge-kubeconfig.ts';

export interface KubeconfigWish {
  readonly names: KubeconfigNames;
  readonly file: string;
  /** The subject's CN; its O is system:masters. */
  readonly user: string;
  readonly server: string;
  /** What machines are told to trust: PEM, the authority that signs first. */
  readonly authority: string;
  /** Milliseconds that a new certificate would be valid for. */
  readonly lifetime: number;
  /** Whether the operator asked for that lifetime: then one that lasts longer is no good. */
  readonly shorter: boolean;
  /** Take the place of what belongs to another cluster. */
  readonly replace: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** `keep`: what is there is right, and until when. `write`: why. */
export type KubeconfigPlan =
  | { readonly kind: 'keep'; readonly notAfter: number }
  | { readonly kind: 'write'; readonly reason: string };

/**
 * Whether what stands under the names is ours and good for longer. Throws TinderboxError `in-use` if something else
 * stands there: another cluster's access must not be lost to a name.
 */
export function planKubeconfig(found: KubeconfigFound, wish: KubeconfigWish): KubeconfigPlan {
  if (wish.replace) return { kind: 'write', reason: 'asked to replace what is there' };
  refuseOthers(found, wish);
  const { cluster, user, context, currentContext } = found;
  if (cluster === undefined || user === undefined || context === undefined) {
    return { kind: 'write', reason: 'it is not there yet' };
  }
  if (cluster.authority !== wish.authority)
    return { kind: 'write', reason: 'other authorities are trusted now' };
  if (currentContext === '') return { kind: 'write', reason: 'no context is the current one' };
  const certificate = parseCertificate(user.certificate);
  if (certificate === undefined || !isSignedBy(certificate, firstOf(wish.authority))) {
    return { kind: 'write', reason: 'the certificate is not from the authority that signs now' };
  }
  if (!isKeyOf(user.key, certificate))
    return { kind: 'write', reason: 'the key is not that of the certificate' };
  const from = certificate.validFromDate.getTime();
  const notAfter = certificate.validToDate.getTime();
  if (notAfter - wish.now <= (notAfter - from) / 3) {
    return { kind: 'write', reason: 'less than a third of its time is left' };
  }
  if (wish.shorter && notAfter > wish.now + wish.lifetime) {
    return { kind: 'write', reason: 'it would be valid for longer than asked' };
  }
  return { kind: 'keep', notAfter };
}

function refuseOthers({ cluster, user, context }: KubeconfigFound, wish: KubeconfigWish): void {
  const { names, file } = wish;
  const refuse = (what: string): TinderboxError =>
    new TinderboxError('in-use', `${file} has ${what}; nothing was changed`, {
      remedy: 'Give ours another name with --context NAME, or put it in that place with --replace.',
    });
  if (cluster !== undefined) {
    if (cluster.server !== wish.server) {
      throw refuse(
        `a cluster ${names.cluster} already, at ${cluster.server || 'no server'}, not ${wish.server}`,
      );
    }
    if (!shareOne(cluster.authority, wish.authority)) {
      throw refuse(`a cluster ${names.cluster} already, with another certificate authority`);
    }
  }
  if (user !== undefined && !isOurs(user, wish)) {
    throw refuse(`a user ${names.user} already, who is somebody else or comes from another authority`);
  }
  if (context !== undefined && (context.cluster !== names.cluster || context.user !== names.user)) {
    throw refuse(`a context ${names.context} already, of ${context.user} at ${context.cluster}`);
  }
}

/** Issued to this very user by an authority that is trusted; whether it is still valid does not matter. */
function isOurs(user: NonNullable<KubeconfigFound['user']>, wish: KubeconfigWish): boolean {
  const certificate = parseCertificate(user.certificate);
  if (!user.plain || certificate === undefined) return false;
  // RFC 4514 escapes do not occur in the names that are allowed.
  const parts = certificate.subject.split('\n');
  if (parts.length !== 2 || !parts.includes(`CN=${wish.user}`) || !parts.includes('O=system:masters'))
    return false;
  return certificatesOf(wish.authority).some((authority) => isSignedBy(certificate, authority));
}

function shareOne(one: string, other: string): boolean {
  const known = new Set(certificatesOf(one).map(({ fingerprint256 }) => fingerprint256));
  return certificatesOf(other).some(({ fingerprint256 }) => known.has(fingerprint256));
}

function certificatesOf(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => parseCertificate(block) ?? []);
}

function firstOf(pem: string): X509Certificate | undefined {
  return certificatesOf(pem)[0];
}

function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function isSignedBy(certificate: X509Certificate, authority: X509Certificate | undefined): boolean {
  return (
    authority !== undefined && certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
  );
}

function isKeyOf(pem: string, certificate: X509Certificate): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(pem));
  } catch {
    return false;
  }
}
