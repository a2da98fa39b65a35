import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import type { TftpPacket } from '../../src/protocol/tftp/packet.ts';
import { startHarness } from '../servers/support/tftp-harness.ts';
import type { LossyRead } from './support/tftp-lossy.ts';
import { PROGRAMS, type TftpProgram } from './support/tftp-programs.ts';
import { type RelayRule, startRelay } from './support/tftp-relay.ts';

const files: Readonly<Record<string, Uint8Array>> = {
  loader: randomBytes(74_213),
  empty: new Uint8Array(),
  'one-block': randomBytes(512),
  'full-windows': randomBytes(1468 * 64),
};

t.test('every client reads every file in every block size and window that it knows', async (t) => {
  const harness = await startHarness({ files, mtu: 65_536 });
  t.teardown(harness.stop);
  for (const program of PROGRAMS) {
    for (const blockSize of program.blocks ? [undefined, 8, 512, 1432, 1468, 65_464] : [undefined]) {
      for (const windowSize of program.windows && blockSize !== undefined
        ? [undefined, 1, 4, 64]
        : [undefined]) {
        const options = {
          ...(blockSize !== undefined && { blockSize }),
          ...(windowSize !== undefined && { windowSize }),
        };
        for (const [name, bytes] of Object.entries(files)) {
          // curl takes the size 0 in an OACK for a fault, and reports a wrong one.
          if (program.name === 'curl' && name === 'empty' && blockSize !== undefined) continue;
          const got = await program
            .read({ port: harness.port, name, ...options })
            .catch((error: unknown) => error);
          const same = Buffer.isBuffer(got) && got.equals(bytes);
          t.ok(same, `${program.name}: ${name}, ${JSON.stringify(options)}`, {
            got: same ? '' : String(got).slice(0, 200),
          });
        }
      }
    }
  }
});

const LAST = Math.floor(74_213 / 1468) + 1;
const isBlock = (packet: TftpPacket, block: number): boolean =>
  packet.kind === 'data' && packet.block === block;
const accidents: Readonly<Record<string, RelayRule>> = {
  'the OACK is lost': (packet, _way, nth) => (packet.kind === 'options-ack' && nth === 1 ? 0 : 1),
  'the first block is lost': (packet, _way, nth) => (isBlock(packet, 1) && nth === 1 ? 0 : 1),
  'the last block is lost': (packet, _way, nth) => (isBlock(packet, LAST) && nth === 1 ? 0 : 1),
  'a block inside the last window is lost': (packet, _way, nth) =>
    isBlock(packet, LAST - 1) && nth === 1 ? 0 : 1,
  'the last block is lost twice': (packet, _way, nth) => (isBlock(packet, LAST) && nth <= 2 ? 0 : 1),
  'an ACK is lost': (packet, _way, nth) =>
    packet.kind === 'ack' && packet.block === 24 && nth === 1 ? 0 : 1,
  'an ACK comes twice': (packet) => (packet.kind === 'ack' && packet.block === 24 ? 2 : 1),
  'every ACK comes twice': (packet) => (packet.kind === 'ack' ? 2 : 1),
  'a block comes twice': (packet) => (isBlock(packet, 10) ? 2 : 1),
};

t.test(
  'TFTP 5, 8: one chosen accident costs no client its file, and traffic is not multiplied',
  async (t) => {
    const harness = await startHarness({ files });
    t.teardown(harness.stop);
    const reads: readonly (readonly [TftpProgram, number | undefined])[] = PROGRAMS.flatMap((program) =>
      program.blocks
        ? (program.windows ? [1, 4, 64] : [undefined]).map((window) => [program, window] as const)
        : [],
    );
    for (const [program, windowSize] of reads) {
      for (const [accident, rule] of Object.entries(accidents)) {
        const relay = await startRelay(harness.port, rule);
        const options = windowSize === undefined ? {} : { windowSize };
        const order = { port: relay.port, name: 'loader', blockSize: 1468, ...options };
        const got = await program.read(order).catch((error: unknown) => error);
        relay.close();
        const same = Buffer.isBuffer(got) && got.equals(files['loader'] ?? got);
        const blocks = relay.packets.filter(({ way, bytes }) => way === 'down' && bytes[1] === 3).length;
        const what = `${program.name}, window ${windowSize ?? 'not asked'}: ${accident}`;
        t.ok(same, what, { got: same ? '' : String(got).slice(0, 200) });
        // One window, one for the accident, and some for a timer that runs out because this machine is busy.
        t.ok(blocks <= 5 * LAST, `${what}: ${blocks} blocks for ${LAST}`);
      }
    }
  },
);

t.test('TFTP 5: over a link that loses one packet in twenty every client gets its file', async (t) => {
  const program = join(import.meta.dirname, 'support/tftp-lossy.ts');
  const root = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const { stdout } = await promisify(execFile)('unshare', ['--net', ...root, process.execPath, program], {
    timeout: 90_000,
  });
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LossyRead | { dropped: number });
  const reads = lines.filter((line) => 'client' in line);
  t.equal(reads.length, 8);
  for (const read of reads) {
    t.ok(read.same, `${read.client}, window ${read.windowSize ?? 'not asked'}`, { error: read.error ?? '' });
  }
  const dropped = lines.find((line) => 'dropped' in line)?.dropped ?? 0;
  t.ok(dropped > 10, `${dropped} packets were lost`);
});

t.test('the requests of real clients, as captured, are what the fixtures hold', async (t) => {
  const folder = join(import.meta.dirname, '../fixtures/tftp');
  const harness = await startHarness({ files: { loader: files['loader'] as Uint8Array } });
  t.teardown(harness.stop);
  for (const program of PROGRAMS) {
    const relay = await startRelay(harness.port, () => 1);
    const options = { ...(program.blocks && { blockSize: 1468 }), ...(program.windows && { windowSize: 4 }) };
    await program.read({ port: relay.port, name: 'loader', ...options });
    relay.close();
    const request = relay.packets.find(({ way }) => way === 'up')?.bytes;
    const answer = relay.packets.find(({ way }) => way === 'down')?.bytes;
    t.equal(request?.[1], 1, program.name);
    if (process.env['TINDERBOX_UPDATE_FIXTURES'] !== '1' || program.name === 'by hand') continue;
    await mkdir(folder, { recursive: true });
    const fixture = {
      client: program.name,
      request: request?.toString('latin1'),
      answer: answer?.[1] === 6 ? answer.toString('latin1') : 'DATA',
    };
    await writeFile(
      join(folder, `${program.name.replace(' ', '-')}.json`),
      `${JSON.stringify(fixture, null, 2)}\n`,
    );
  }
});
