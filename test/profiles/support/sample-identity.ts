import {
  DEFAULT_CREDENTIALS,
  type FileLayout,
  type Identity,
  type KeyDelivery,
} from '../../../src/machine/identity.ts';
import {
  AUTHORITY_FILES,
  CERTIFICATE_PROFILES,
  SERVICE_ACCOUNT_FILES,
  TRUSTED_AUTHORITIES,
} from '../../../src/pki/certificate-profiles.ts';
import { type IdentityContext, noIdentity } from '../../../src/render/context.ts';

export interface SampleIdentity {
  readonly kind: Identity;
  readonly delivery?: KeyDelivery;
  readonly layout?: FileLayout;
  readonly hostname?: string;
  readonly address?: string;
  /** Absent: the hostname. */
  readonly nodeName?: string;
  /** Whether keys are in it, as in the one response that has them. */
  readonly released?: boolean;
}

/** What a machine of a cluster sees as `identity`, with texts that look like PEM. */
export function sampleIdentity(sample: SampleIdentity): IdentityContext {
  const { kind, hostname = 'node-123456', address = '10.77.0.21', released = true } = sample;
  const { delivery = DEFAULT_CREDENTIALS.delivery, layout = DEFAULT_CREDENTIALS.layout } = sample;
  const nodeName = sample.nodeName ?? hostname;
  if (kind === 'none') return noIdentity(nodeName);
  const issued = delivery === 'issued';
  const words: Readonly<Record<string, string>> = { node: nodeName, hostname, user: hostname };
  const isController = kind === 'controller';
  return {
    kind,
    delivery,
    nodeName,
    certificates: CERTIFICATE_PROFILES.filter(({ entitled }) => entitled.includes(kind)).map((profile) => ({
      name: profile.name,
      commonName: profile.commonName.replace(/\{(\w+)\}/, (_, word: string) => words[word] ?? ''),
      organizations: profile.organizations,
      dns: profile.names === 'none' ? [] : [hostname],
      addresses: profile.names === 'none' ? [] : [address],
      certificateFile: profile.files[layout].certificate,
      keyFile: profile.files[layout].key,
      url: issued ? '' : `http://10.77.0.1/boot/abc/csr?name=${profile.name}`,
      certificate: issued && released ? samplePem('CERTIFICATE', profile.name) : '',
      key: issued && released ? samplePem('PRIVATE KEY', profile.name) : '',
    })),
    authorities: TRUSTED_AUTHORITIES[kind].map((name) => ({
      name,
      file: AUTHORITY_FILES[layout][name],
      certificate: samplePem('CERTIFICATE', `${name} authority`),
    })),
    serviceAccounts: {
      publicKeyFile: isController ? SERVICE_ACCOUNT_FILES[layout].publicKey : '',
      privateKeyFile: isController ? SERVICE_ACCOUNT_FILES[layout].privateKey : '',
      publicKey: isController && released ? samplePem('PUBLIC KEY', 'sa') : '',
      privateKey: isController && released ? samplePem('PRIVATE KEY', 'sa') : '',
    },
  };
}

function samplePem(label: string, what: string): string {
  return `-----BEGIN ${label}-----\n${btoa(what)}\n-----END ${label}-----\n`;
}
