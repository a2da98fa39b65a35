import type { BootEvent } from '../../src/machine/event.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { describePacket } from '../../src/protocol/dhcp/describe-packet.ts';
import { IPXE, makeRequest, type RequestShape, UEFI_ROM } from './make-request.ts';

export const TRACE_MAC = '52:54:00:12:34:56' as Mac;
/** When a trace begins, in milliseconds since the epoch. */
export const TRACE_START = 1_700_000_000_000;

type Packet = 'DISCOVER' | 'REQUEST';

/** One event of a trace, `after` seconds from its start. */
export function happened(
  after: number,
  kind: BootEvent['kind'],
  asked: string,
  more: Partial<BootEvent> = {},
): BootEvent {
  return {
    at: TRACE_START + after * 1000,
    mac: TRACE_MAC,
    sessionId: 7,
    kind,
    outcome: 'answered',
    asked,
    answered: '',
    reasons: [],
    via: 'br0',
    ...more,
  };
}

/** A DHCP packet, as the DHCP servers record it. */
export function dhcp(
  after: number,
  type: Packet,
  shape: RequestShape = UEFI_ROM,
  more: Partial<BootEvent> = {},
): BootEvent {
  const message = type === 'DISCOVER' ? 'discover' : 'request';
  const packet = makeRequest({ ...shape, type: message });
  return happened(after, `dhcp.${message}`, describePacket(packet), {
    answered: 'OFFER, boot snponly.efi',
    ...more,
  });
}

export const refused = (reason: string): Partial<BootEvent> => ({
  outcome: 'refused',
  answered: '',
  reasons: [reason],
});
/** A REQUEST that a proxy hears: it goes to the other server. */
export const overheard: Partial<BootEvent> = { outcome: 'noted', answered: '' };
export const onPort4011 = (after: number): BootEvent => ({
  ...dhcp(after, 'REQUEST'),
  kind: 'pxe.request',
  answered: 'ACK, boot snponly.efi',
});
export const ipxe = (after: number, type: Packet, shape: RequestShape = IPXE): BootEvent =>
  dhcp(after, type, shape, {
    answered: 'OFFER, boot http://10.77.0.1/boot.ipxe',
    reasons: ['user class iPXE'],
  });
export const system = (after: number, type: Packet): BootEvent =>
  dhcp(after, type, {}, { outcome: 'ignored', answered: '' });
export const read = (after: number): BootEvent =>
  happened(after, 'tftp.read', 'RRQ snponly.efi (octet, tsize 0, blksize 1468)', {
    answered: 'OACK blksize 1468',
  });
export const transfer = (after: number, reason: string): BootEvent =>
  happened(after, 'tftp.done', 'RRQ snponly.efi', {
    outcome: 'noted',
    answered: '1468 of 270336 bytes in 5000 ms',
    reasons: [reason],
  });
export const loaded = (after: number): BootEvent =>
  happened(after, 'tftp.done', 'RRQ snponly.efi', { answered: '270336 of 270336 bytes in 40 ms' });
export const get = (after: number, path: string, more: Partial<BootEvent> = {}): BootEvent =>
  happened(after, 'http.asset', `GET ${path}`, { answered: '200, 11534336 bytes in 140 ms', ...more });
export const config = (after: number, more: Partial<BootEvent> = {}): BootEvent =>
  happened(after, 'http.config', 'GET /boot/…/cloud-config', { answered: 'the cloud-config', ...more });
export const said = (after: number, line: string): BootEvent =>
  happened(after, 'syslog.line', line, { outcome: 'noted' });

/** iPXE from its first packet to its script, with what a loader before it does. */
export const TO_IPXE: readonly BootEvent[] = [dhcp(0, 'DISCOVER'), dhcp(4, 'REQUEST'), read(5), loaded(6)];
export const TO_SCRIPT: readonly BootEvent[] = [
  ...TO_IPXE,
  ipxe(8, 'DISCOVER'),
  ipxe(9, 'REQUEST'),
  happened(10, 'http.boot-script', 'GET /boot.ipxe', { answered: 'the bootstrap script' }),
  happened(11, 'http.script', 'GET /ipxe?mac=52:54:00:12:34:56', { answered: 'the script of role worker' }),
];
export const TO_KERNEL: readonly BootEvent[] = [...TO_SCRIPT, get(12, '/assets/vmlinuz')];
export const TO_INITRD: readonly BootEvent[] = [...TO_KERNEL, get(14, '/assets/initrd.gz')];
export const TO_CONFIG: readonly BootEvent[] = [...TO_INITRD, system(30, 'REQUEST'), config(32)];
