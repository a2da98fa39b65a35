import { ipxeErrorReasons } from '../../../src/boot/ipxe-errors.ts';
import type { Mac } from '../../../src/machine/mac.ts';
import { decodeSyslog } from '../../../src/protocol/syslog/message.ts';
import { createConsoleMemory } from '../../../src/servers/console-memory.ts';
import { bytesOf, TEXT_MUTATORS } from '../engine/mutate-text.ts';
import { type FuzzTarget, hold } from '../engine/target.ts';
import { isPrintable } from '../formats/printable.ts';

const macOf = (number: number): Mac => `52:54:00:00:00:0${number}` as Mac;

const LIMITS = { lines: 5, machines: 3, characters: 4_000 };
const SEEDS = [
  '<6>ipxe: Configuring (net0)...... ok',
  '<3>node-1.lab.example ipxe: Could not start download: Error 0x2d0c613b (https://ipxe.org/2d0c613b)',
  '<13>Nov 27 23:24:22 node-1 root[12]: hello: world',
  '<13>1 2026-11-27T23:24:22.123456+01:00 host prog 12 ID1 [a@1 b="c\\]d"][e f="g"] text',
  '<13>1 - - - - - - text',
  '6,416,1758426,-;virtio_net virtio0 eth0',
  '6,417,1758426,c,caller=T1;again',
  '[    1.758426] Kernel command line: config=http://10.77.0.1/boot/12-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/x',
  'one\ntwo\r\nthree\0four',
  '\u001b[31mred\u001b[0m <192>no priority',
];

/** A byte that chooses the machine, then the datagram. */
export const target: FuzzTarget = {
  what: 'a datagram on the syslog port: its lines, what they say of errors, and the memory that keeps them',
  aims: ['protocol/syslog/', 'boot/ipxe-errors.ts', 'boot/ipxe-errno.ts', 'servers/console-memory.ts'],
  maxLength: 9_000,
  seeds: () => SEEDS.map((seed, index) => Uint8Array.of(index, ...bytesOf(seed))),
  mutators: TEXT_MUTATORS,
  dictionary: [
    '<',
    '>',
    '<13>',
    '<191>',
    '<192>',
    '<13>1 ',
    '[',
    ']',
    '"',
    '\\',
    ': ',
    'ipxe: ',
    'error 0x',
    'https://ipxe.org/',
    'ipxe.org/err/',
    '3e11628e',
    '2d0c613b',
    ',-;',
    'kernel: ',
    '\u001b[',
    '\u009b',
    '\r\n',
  ],
  run(input) {
    const lines = decodeSyslog(input.subarray(1));
    hold(lines.length <= 16, () => `${lines.length} lines of one datagram`);
    const memory = createConsoleMemory(LIMITS);

    for (const [index, line] of lines.entries()) {
      hold(line.text !== '' && line.text.length <= 8_192, () => `a line of ${line.text.length} characters`);
      hold(isPrintable(line.text), () => `a line that is not printable: ${JSON.stringify(line.text)}`);
      if (line.program !== undefined) {
        hold(
          line.program !== '' && line.program.length <= 48 && isPrintable(line.program),
          () => `a program called ${JSON.stringify(line.program)}`,
        );
      }
      const reasons = ipxeErrorReasons(line.text);
      hold(reasons.length <= 3, () => `${reasons.length} reasons of one line`);
      for (const reason of reasons)
        hold(isPrintable(reason) && reason.length < 600, () => `reason ${JSON.stringify(reason)}`);
      memory.add(macOf(((input[0] ?? 0) + index) % 5), index, line, reasons);
    }
    let machines = 0;
    let characters = 0;
    for (let number = 0; number < 5; number++) {
      const kept = memory.read(macOf(number), 0).lines;
      if (kept.length > 0) machines++;
      hold(kept.length <= LIMITS.lines, 'more lines are kept than may be');
      characters += kept.reduce((sum, { text }) => sum + text.length, 0);
    }
    hold(machines <= LIMITS.machines, 'more machines are kept than may be');
    // One line alone may be larger than all may be.
    hold(characters <= Math.max(LIMITS.characters, 8_192), () => `${characters} characters are kept`);
  },
};
