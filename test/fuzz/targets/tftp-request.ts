import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { normalizeFileName } from '../../../src/protocol/tftp/file-name.ts';
import {
  DEFAULT_BLOCK_SIZE,
  HEADERS,
  negotiateOptions,
} from '../../../src/protocol/tftp/negotiate-options.ts';
import {
  ackedBlock,
  decodeTftpPacket,
  encodeTftpPacket,
  TftpDecodeError,
  type TftpPacket,
} from '../../../src/protocol/tftp/packet.ts';
import type { TftpOptions } from '../../../src/protocol/tftp/text.ts';
import { describeRequest } from '../../../src/servers/tftp-texts.ts';
import { type FuzzTarget, hold, refusalOf } from '../engine/target.ts';
import { isPrintable } from '../formats/printable.ts';
import { tftpMutators, tftpSeeds } from '../formats/tftp-packets.ts';

const ROOT = '/srv/tftp';
const MTUS = [68, 576, 1280, 1500, 9000];
const SIZES = [0, 1, 511, 512, 4_000_000, 4_294_967_296];

/** A byte that chooses the interface and the file, then the packet. */
export const target: FuzzTarget = {
  what: 'a datagram on port 69: decoded, its name made one below the root, its options negotiated, the OACK read again',
  aims: [
    'protocol/tftp/packet.ts',
    'protocol/tftp/text.ts',
    'protocol/tftp/file-name.ts',
    'protocol/tftp/negotiate-options.ts',
    'servers/tftp-texts.ts',
  ],
  maxLength: 1025,
  seeds: () => tftpSeeds().map((packet) => Uint8Array.of(3, ...packet)),
  mutators: tftpMutators(1),
  dictionary: [
    'blksize',
    'tsize',
    'timeout',
    'windowsize',
    'octet',
    '..',
    '/',
    '\\',
    '\0',
    '\ufffd',
    '65535',
  ],
  run(input) {
    let packet: TftpPacket | undefined;
    const bytes = input.subarray(1);
    const acked = ackedBlock(bytes);
    if (refusalOf(TftpDecodeError, () => void (packet = decodeTftpPacket(bytes)))) {
      return hold(acked === -1, 'an ACK to one reader and none to the other');
    }
    if (packet === undefined) return;
    hold((packet.kind === 'ack' ? packet.block : -1) === acked, 'two readings of an ACK');
    // An OACK of nothing is never sent.
    if (packet.kind === 'options-ack' && packet.options.size === 0) return;
    const again = decodeTftpPacket(encodeTftpPacket(packet));
    hold(
      isDeepStrictEqual(again, packet),
      () => `${JSON.stringify(packet)} reads back as ${JSON.stringify(again)}`,
    );
    if (packet.kind !== 'read' && packet.kind !== 'write') return;
    const line = describeRequest(packet);
    hold(isPrintable(line) && line.length <= 201, () => `the line is ${JSON.stringify(line)}`);
    checkName(packet.name);
    const choice = input[0] ?? 0;
    checkNegotiation(
      packet.options,
      MTUS[choice % MTUS.length] ?? 1500,
      SIZES[(choice >> 4) % SIZES.length] ?? 0,
    );
  },
};

function checkName(asked: string): void {
  const normal = normalizeFileName(asked);
  if ('refused' in normal) return hold(normal.refused !== '', 'a refusal without a reason');
  const path = resolve(ROOT, normal.name);
  hold(path.startsWith(`${ROOT}/`), () => `${JSON.stringify(asked)} leads to ${path}`);
  hold(
    path === `${ROOT}/${normal.name}`,
    () => `${JSON.stringify(normal.name)} is not the plain name of ${path}`,
  );
  hold(!normal.name.includes('\0'), 'a NUL in a path');
}

function checkNegotiation(asked: TftpOptions, mtu: number, fileSize: number): void {
  const { blockSize, windowSize, timeout, answer, reasons } = negotiateOptions(asked, { fileSize, mtu });
  for (const reason of reasons)
    hold(isPrintable(reason) && reason.length < 200, () => `reason ${JSON.stringify(reason)}`);
  hold(
    blockSize >= 8 && (blockSize + HEADERS <= mtu || blockSize === DEFAULT_BLOCK_SIZE),
    () => `blocks of ${blockSize} at an MTU of ${mtu}`,
  );
  hold(
    windowSize >= 1 && windowSize <= 64 && (windowSize === 1 || windowSize * blockSize <= 128 * 1024),
    () => `a window of ${windowSize}`,
  );
  hold(timeout === undefined || (timeout >= 1 && timeout <= 255), () => `a timeout of ${timeout}`);
  for (const [name, value] of answer ?? []) {
    hold(asked.has(name), () => `${name} is answered and was not asked`);
    if (name !== 'tsize')
      hold(Number(value) <= Number(asked.get(name)), () => `${name} ${asked.get(name)} became ${value}`);
  }
  if (answer === undefined) return;
  const read = decodeTftpPacket(encodeTftpPacket({ kind: 'options-ack', options: answer }));
  hold(read.kind === 'options-ack' && isDeepStrictEqual(read.options, answer), 'the OACK does not read back');
}
