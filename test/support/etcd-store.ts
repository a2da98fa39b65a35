import { runProgram } from '../../src/lab/run-program.ts';

export interface EtcdStoreOptions {
  /** `https://10.77.0.11:2379` */
  readonly endpoint: string;
  /** Files: the etcd authority, and what to show to it. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** Keeps an object under a key, or removes it. */
export type KeepObject = (key: string, object: object | undefined) => Promise<void>;

/**
 * Through etcdctl: with a configuration file, as the role etcd has it, etcd 3.4 leaves its JSON gateway off unless that
 * says otherwise.
 */
export function createEtcdStore({ endpoint, authority, certificate, key }: EtcdStoreOptions): KeepObject {
  const etcdctl = [
    ['env', 'ETCDCTL_API=3', 'etcdctl', `--endpoints=${endpoint}`, '--command-timeout=10s'],
    [`--cacert=${authority}`, `--cert=${certificate}`, `--key=${key}`],
  ].flat();
  return async (name, object) => {
    if (object === undefined) await runProgram([...etcdctl, 'del', name]);
    else await runProgram([...etcdctl, 'put', name], { input: JSON.stringify(object) });
  };
}
