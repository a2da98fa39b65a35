import { join } from 'node:path';
import { asOwnerOf } from './as-owner-of.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import type { ClusterSettings } from './machine/cluster.ts';
import { PKI_FOLDER } from './manage-authorities.ts';
import type { Authorities } from './pki/port.ts';
import { readAuthorities } from './pki/read-authorities.ts';

const DAY = 24 * 60 * 60 * 1000;

/** What signs for a command on the master: read from the disk, since keys never go through the admin plane. */
export function readClusterAuthorities(config: Config, clock: () => number = Date.now): Promise<Authorities> {
  const { state } = config.paths;
  return asOwnerOf(state, () => readAuthorities(join(state, PKI_FOLDER), clock));
}

/** Throws `invalid-config` where tinderbox.yaml has none: without names of a cluster there are no certificates. */
export function requireCluster({ cluster, file }: Pick<Config, 'cluster' | 'file'>): ClusterSettings {
  if (cluster !== undefined) return cluster;
  throw new TinderboxError('invalid-config', `${file} has no \`cluster:\``, {
    remedy: 'Add it: cluster: { name: lab, apiServer: "https://k8s.example.org:6443" }',
  });
}

/** The same authorities, but nothing that they issue is valid for longer than so many days. */
export function limitLifetime(authorities: Authorities, days: number | undefined): Authorities {
  if (days === undefined) return authorities;
  return {
    ...authorities,
    issue: (entitlement) =>
      authorities.issue({ ...entitlement, lifetime: Math.min(entitlement.lifetime, days * DAY) }),
  };
}
