import type { NodeState } from './port.ts';

const REASON_LENGTH = 240;
const MAX_ADDRESSES = 16;

/** JSON may hold anything in any place, whatever its schema says. */
interface LooseNode {
  readonly metadata?: { readonly name?: unknown };
  readonly status?: {
    readonly nodeInfo?: { readonly systemUUID?: unknown; readonly bootID?: unknown };
    readonly conditions?: unknown;
    readonly addresses?: unknown;
  };
}

interface LooseCondition {
  readonly type?: unknown;
  readonly status?: unknown;
  readonly reason?: unknown;
  readonly message?: unknown;
}

/** What matters of a Node's JSON; undefined for what is none. Never throws. */
export function readNode(json: unknown): NodeState | undefined {
  const node = json as LooseNode | null | undefined;
  const name = node?.metadata?.name;
  if (typeof name !== 'string' || name === '' || name.length > 253) return undefined;
  const status = node?.status;
  const conditions = listOf(status?.conditions) as readonly (LooseCondition | null)[];
  const condition = conditions.find((one) => one?.type === 'Ready');
  const systemUuid = wordOf(status?.nodeInfo?.systemUUID);
  const bootId = wordOf(status?.nodeInfo?.bootID);
  const version = versionOf(json);
  const addresses = listOf(status?.addresses) as readonly ({ readonly address?: unknown } | null)[];
  return {
    name: printable(name, 253),
    ready: condition?.status === 'True',
    reason: reasonOf(condition ?? undefined),
    ...(systemUuid === undefined ? {} : { systemUuid }),
    ...(bootId === undefined ? {} : { bootId }),
    addresses: addresses.slice(0, MAX_ADDRESSES).flatMap((one) => wordOf(one?.address) ?? []),
    ...(version === undefined ? {} : { version }),
  };
}

/** Where in the history an object stands. */
export function versionOf(json: unknown): string | undefined {
  const version = (json as { metadata?: { resourceVersion?: unknown } } | null)?.metadata?.resourceVersion;
  return typeof version === 'string' && version !== '' && version.length <= 64 ? version : undefined;
}

/** Whether only its version is another: its kubelet writes it every few minutes, mostly with nothing new here. */
export function isSameNode(a: NodeState, b: NodeState): boolean {
  return (
    a.ready === b.ready &&
    a.reason === b.reason &&
    a.systemUuid === b.systemUuid &&
    a.bootId === b.bootId &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, index) => address === b.addresses[index])
  );
}

function reasonOf(condition: { readonly reason?: unknown; readonly message?: unknown } | undefined): string {
  if (condition === undefined) return 'its kubelet has not reported yet';
  const { reason, message } = condition;
  const parts = [reason, message].filter((part) => typeof part === 'string' && part !== '');
  return printable(parts.join(': '), REASON_LENGTH);
}

function listOf(list: unknown): readonly unknown[] {
  return Array.isArray(list) ? list : [];
}

function wordOf(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const word = printable(value, 64);
  return word === '' ? undefined : word;
}

// C0, DEL, C1 and the bidirectional overrides: what a terminal or a log would act on instead of showing.
// oxlint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd]+/g;

/** Text from outside, fit for one line of a log, an event or a terminal. */
export function printable(text: string, limit: number): string {
  const clean = text
    .slice(0, 4 * limit)
    .replace(UNPRINTABLE, ' ')
    .trim();
  return (clean.length <= limit ? clean : `${clean.slice(0, limit - 1)}…`).toWellFormed();
}
