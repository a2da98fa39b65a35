import { fileURLToPath } from 'node:url';
import type { NetworkNamespace } from '../../../src/lab/namespace.ts';
import type { MessageType } from '../../../src/protocol/dhcp/option-codes.ts';

/** One DHCP message. Addresses are dotted. */
export interface Question {
  readonly type: MessageType;
  readonly mac: string;
  /** A network boot of that firmware; absent: an ordinary client. */
  readonly rom?: 'uefi' | 'bios';
  readonly requested?: string;
  readonly server?: string;
  readonly ciaddr?: string;
  /** Asks as this relay agent. */
  readonly giaddr?: string;
  /** By default everybody, on port 67. */
  readonly to?: string;
  readonly port?: 67 | 4011;
}

export interface Answer {
  /** `silence`: nothing came within its time. */
  readonly type: MessageType | 'silence' | 'none';
  readonly address: string;
  readonly ciaddr: string;
  readonly server: string;
  readonly file: string;
  /** The local port. */
  readonly heardOn: number;
}

const ASK_DHCP = fileURLToPath(new URL('ask-dhcp.ts', import.meta.url));

/** Asks from inside a namespace, one question after the other. Broadcasts need a route there. */
export async function askDhcp(
  namespace: NetworkNamespace,
  ...questions: readonly Question[]
): Promise<readonly Answer[]> {
  await namespace.run(['ip', 'route', 'replace', 'default', 'dev', 'eth0']);
  const output = await namespace.run([process.execPath, ASK_DHCP, JSON.stringify(questions)], {
    timeout: 5000 * questions.length + 10_000,
  });
  return JSON.parse(output) as readonly Answer[];
}
