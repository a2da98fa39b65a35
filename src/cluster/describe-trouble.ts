import { isFromUnknownAuthority } from '../document/certificate-trouble.ts';
import { TinderboxError } from '../errors.ts';
import { printable } from './read-node.ts';

/** An answer that is no success. */
export class ApiRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiRefusal';
    this.status = status;
  }
}

/** An answer that cannot be read. */
export class BadAnswer extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BadAnswer';
  }
}

export interface Trouble {
  /** unreachable: it passes by itself; refused: somebody has to do something. */
  readonly kind: 'unreachable' | 'refused';
  readonly message: string;
  readonly remedy?: string;
}

const IMPORT =
  "If the cluster was made by something else, let Tinderbox use its authorities: tinderbox ca import (kubeadm's are in /etc/kubernetes/pki).";

/** What went wrong with the API server, and what to do where waiting does not help. */
export function describeTrouble(thrown: unknown): Trouble {
  const chain = causesOf(thrown);
  for (const error of chain) {
    if (error instanceof BadAnswer) {
      return { kind: 'unreachable', message: `the API server's answer cannot be read: ${error.message}` };
    }
    if (error instanceof ApiRefusal) return describeRefusal(error);
    if (error instanceof TinderboxError) {
      const { message, remedy } = error;
      return { kind: 'refused', message, ...(remedy === undefined ? {} : { remedy }) };
    }
    const { code = '' } = error as NodeJS.ErrnoException;
    if (isFromUnknownAuthority(code)) {
      const message = `the API server's certificate is not from the cluster's authority that Tinderbox holds (${code})`;
      return { kind: 'refused', message, remedy: IMPORT };
    }
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
      const message = `the API server's certificate is not for this address: ${printable(error.message, 200)}`;
      const remedy = 'Set cluster.apiServer to a name that is in its certificate, or have it issued anew.';
      return { kind: 'refused', message, remedy };
    }
    if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
      const message = `the API server's certificate is not valid now (${code})`;
      return {
        kind: 'refused',
        message,
        remedy: 'Renew it; or see whether the clocks of both hosts are right.',
      };
    }
    if (/ALERT/.test(code)) {
      const message = `the API server refuses Tinderbox's certificate (${code})`;
      return { kind: 'refused', message, remedy: IMPORT };
    }
  }
  const last = chain.at(-1);
  const code = (last as Partial<NodeJS.ErrnoException> | undefined)?.code;
  const text = printable(last?.message ?? String(thrown), 200);
  const message = `the API server does not answer: ${text}`;
  if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET') {
    return {
      kind: 'unreachable',
      message,
      remedy: `If it runs, it may not accept Tinderbox's certificate. ${IMPORT}`,
    };
  }
  return { kind: 'unreachable', message };
}

function describeRefusal({ status, message }: ApiRefusal): Trouble {
  const said = message === '' ? '' : `: ${printable(message, 200)}`;
  if (status === 401) {
    return {
      kind: 'refused',
      message: `the API server does not know the authority of Tinderbox's certificate (401${said})`,
      remedy: `Its --client-ca-file must hold the authority that \`tinderbox ca show\` prints. ${IMPORT}`,
    };
  }
  if (status === 403) {
    return {
      kind: 'refused',
      message: `the API server does not let Tinderbox see Nodes (403${said})`,
      remedy: 'Give the user `tinderbox` a ClusterRole with get, list, watch and delete of nodes.',
    };
  }
  return { kind: 'unreachable', message: `the API server answers ${status}${said}` };
}

function causesOf(thrown: unknown): readonly Error[] {
  const chain: Error[] = [];
  for (let error = thrown; error instanceof Error && chain.length < 8; error = error.cause) chain.push(error);
  return chain;
}
