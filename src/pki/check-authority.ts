import type { X509Certificate } from 'node:crypto';
import type { Problem } from '../errors.ts';
import { describeKey, findKeyWeakness } from './describe-key.ts';
import { USAGE_OIDS } from './object-identifiers.ts';
import { type AuthorityMaterial, isIssuedBy, isKeyOf, isSelfSigned, readParts } from './read-authority.ts';

const DAY = 24 * 60 * 60 * 1000;
/** Half of it is over before a new one is everywhere. */
const SOON = 365 * DAY;

export const isoDay = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
/** `2026-11-27 08:15:00 UTC`: where a clock may be wrong, the day alone says too little. */
const isoTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** Why this cannot be the authority of a cluster (errors), and what should be known (warnings). `now`: ms since the epoch. */
export function checkAuthority(material: AuthorityMaterial, now: number): readonly Problem[] {
  const { certificate, key, parents } = material;
  const problems: Problem[] = [...checkItIsOne(material)];
  if (!isKeyOf(key, certificate)) {
    problems.push(
      error('the private key is not the one of the certificate', 'Give the key that belongs to it.'),
    );
  }
  const weakness = findKeyWeakness(certificate.publicKey);
  if (weakness !== undefined) problems.push(error(`it cannot sign: ${weakness}`));
  [certificate, ...parents].forEach((one, at) => problems.push(...checkDates(one, now, at)));
  problems.push(...checkParents(material));
  return problems;
}

/** The same for a certificate that machines are to trust although nothing is issued from it. */
export function checkTrusted(certificate: X509Certificate, now: number): readonly Problem[] {
  if (!readParts(certificate).isAuthority) return [error(`${nameOf(certificate)} is no authority (CA:TRUE)`)];
  return checkDates(certificate, now, 0);
}

export const nameOf = (certificate: X509Certificate): string => certificate.subject.replaceAll('\n', ', ');

function checkItIsOne({ certificate, parts }: AuthorityMaterial): readonly Problem[] {
  const problems: Problem[] = [];
  if (!parts.isAuthority) {
    problems.push(
      error(
        `${nameOf(certificate)} is no authority: its basicConstraints do not say CA:TRUE`,
        'A cluster made by kubeadm keeps its authority in /etc/kubernetes/pki/ca.crt, beside other certificates.',
      ),
    );
  }
  if (parts.keyUsage !== undefined && !parts.keyUsage.includes('keyCertSign')) {
    problems.push(error(`it may not sign certificates: its keyUsage has no keyCertSign`));
  }
  const { extendedKeyUsage: usages } = parts;
  const missing = (['server', 'client'] as const).filter((usage) => !usages?.includes(USAGE_OIDS[usage]));
  if (usages !== undefined && !usages.includes(USAGE_OIDS.any) && missing.length > 0) {
    problems.push(error(`its extendedKeyUsage leaves out ${missing.join(' and ')} certificates`));
  }
  return problems;
}

function checkDates(certificate: X509Certificate, now: number, at: number): readonly Problem[] {
  const who = at === 0 ? 'it' : `its issuer ${nameOf(certificate)}`;
  const from = certificate.validFromDate.getTime();
  const to = certificate.validToDate.getTime();
  if (now >= to) {
    return [
      error(
        `${who} expired on ${isoTime(to)} (it is ${isoTime(now)} now)`,
        'Bring a new one: tinderbox ca rotate-plan says how. If it has not expired, set the clock.',
      ),
    ];
  }
  if (now < from) {
    const remedy = 'Set the clock of this host.';
    return [error(`${who} is valid from ${isoTime(from)} on only (it is ${isoTime(now)} now)`, remedy)];
  }
  if (to - now > SOON) return [];
  const remedy = 'See: tinderbox ca rotate-plan';
  return [{ severity: 'warning', message: `${who} expires on ${isoDay(to)}`, remedy }];
}

/** The last certificate of the chain should be a root; each above may have to allow what is below it. */
function checkParents({ certificate, parents, alsoTrusted }: AuthorityMaterial): readonly Problem[] {
  const problems: Problem[] = [];
  const top = parents.at(-1) ?? certificate;
  if (!isSelfSigned(top)) {
    const isForged = top.subject === top.issuer;
    const isBroken = alsoTrusted.some((other) => top.issuer === other.subject && !isIssuedBy(top, other));
    if (isForged || isBroken) {
      problems.push(error(`${nameOf(top)} was not signed by the certificate that it names as its issuer`));
    } else {
      const remedy = 'Append the certificates of its issuers: some clients trust roots only.';
      const message = `its chain ends at ${nameOf(top)}, which is no root`;
      problems.push({ severity: 'warning', message, remedy });
    }
  }
  parents.forEach((parent, at) => {
    const { isAuthority, pathLength } = readParts(parent);
    if (!isAuthority) problems.push(error(`its issuer ${nameOf(parent)} is no authority (CA:TRUE)`));
    if (pathLength !== undefined && pathLength <= at) {
      problems.push(error(`its issuer ${nameOf(parent)} forbids it (pathLenConstraint ${pathLength})`));
    }
  });
  return problems;
}

function error(message: string, remedy?: string): Problem {
  return { severity: 'error', message, ...(remedy === undefined ? {} : { remedy }) };
}

/** `RSA 4096, CN=kubernetes, until 2036-01-01`: for a line of a log. */
export function summarize({ certificate }: AuthorityMaterial): string {
  const until = isoDay(certificate.validToDate.getTime());
  return `${nameOf(certificate)}, ${describeKey(certificate.publicKey)}, until ${until}`;
}
