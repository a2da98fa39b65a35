import { randomBytes } from 'node:crypto';
import t from 'tap';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import { parseIpv4 } from '../../src/machine/ipv4.ts';
import { TFTP_ERRORS } from '../../src/protocol/tftp/packet.ts';
import { createRawClient, KNOWN_MAC, LOCALHOST, readWith, startHarness } from './support/tftp-harness.ts';

const loader = randomBytes(74_213);
const files = { 'undionly.kpxe': loader, small: Buffer.from('small'), 'three-blocks': randomBytes(1300) };

async function fail(): Promise<never> {
  throw new Error('no more sockets');
}

t.test('TFTP 1: reads only, octet only, from a port of the transfer’s own', async (t) => {
  const harness = await startHarness({ files });
  t.teardown(harness.stop);
  const client = await createRawClient(harness.port);
  t.teardown(client.close);

  await client.ask('small', {}, 'OcTeT');
  const first = await client.next();
  t.match(first.packet, { kind: 'data', block: 1, bytes: Buffer.from('small') }, 'octet in any letter case');
  t.not(first.from.port, harness.port);
  t.equal(first.from.address, '127.0.0.1');
  await client.ack(1, first.from.port);
  await harness.until('the transfer ends', () => harness.server.activeTransfers() === 0);

  await client.send({ kind: 'write', name: 'small', mode: 'octet', options: new Map() }, harness.port);
  t.match((await client.next()).packet, { kind: 'error', code: TFTP_ERRORS.accessViolation });
  await client.ask('small', {}, 'netascii');
  t.match((await client.next()).packet, { kind: 'error', code: TFTP_ERRORS.illegalOperation });
  await client.ask('absent');
  t.match((await client.next()).packet, { kind: 'error', code: TFTP_ERRORS.notFound });
  await client.ask('../etc/passwd');
  t.match((await client.next()).packet, { kind: 'error', code: TFTP_ERRORS.accessViolation });
  t.equal(harness.server.activeTransfers(), 0);
});

t.test('TFTP 1: the answer comes from the address that was asked', async (t) => {
  const addresses = [LOCALHOST, parseIpv4('127.0.0.2') as Ipv4];
  const harness = await startHarness({ files, addresses });
  t.teardown(harness.stop);
  for (const address of ['127.0.0.1', '127.0.0.2']) {
    const client = await createRawClient(harness.port, address);
    await client.ask('small');
    const { from, packet } = await client.next();
    t.match(packet, { kind: 'data' });
    t.equal(from.address, address);
    client.close();
  }
});

t.test(
  'the recorder sees the options, the first block and the last, errors, and not what is between',
  async (t) => {
    const harness = await startHarness({ files, pace: 'frozen' });
    t.teardown(harness.stop);
    const client = await createRawClient(harness.port);
    t.teardown(client.close);
    const kinds = () =>
      harness.seen.splice(0).map(({ direction, payload, snap }) => {
        const [, opcode, ...block] = payload.subarray(0, 4);
        const number = opcode === 3 || opcode === 4 ? ` ${Buffer.from(block).readUInt16BE()}` : '';
        return `${direction} ${['', 'RRQ', 'WRQ', 'DATA', 'ACK', 'ERROR', 'OACK'][opcode ?? 0]}${number}${snap === undefined ? '' : ` snapped`}`;
      });

    await client.ask('undionly.kpxe', { tsize: '0', blksize: '512' });
    let heard = await client.next();
    for (let block = 0; block <= 145; block++) {
      await client.ack(block, heard.from.port);
      if (block < 145) heard = await client.next();
    }
    await harness.until('the transfer ends', () => harness.server.activeTransfers() === 0);
    t.match(harness.seen[0], {
      plane: 'tftp',
      via: 'lo',
      from: { address: LOCALHOST, port: client.port },
      to: { address: LOCALHOST, port: harness.port },
    });
    t.match(harness.seen[1], { from: { port: heard.from.port }, to: { port: client.port } });
    t.same(kinds(), [
      'received RRQ',
      'sent OACK',
      'received ACK 0',
      'sent DATA 1 snapped',
      'received ACK 1',
      'sent DATA 145 snapped',
      'received ACK 145',
    ]);

    await client.ask('absent');
    await client.next();
    t.same(kinds(), ['received RRQ', 'sent ERROR']);
    await client.ask('undionly.kpxe', { tsize: '0' });
    heard = await client.next();
    await client.send({ kind: 'error', code: 8, message: 'only the size' }, heard.from.port);
    await harness.until('the probe ends', () => harness.server.activeTransfers() === 0);
    t.same(kinds(), ['received RRQ', 'sent OACK', 'received ERROR']);
  },
);

t.test('TFTP 2: options are answered within the interface’s MTU, and told to the journal', async (t) => {
  const harness = await startHarness({ files, mtu: 1500 });
  t.teardown(harness.stop);
  const client = await createRawClient(harness.port);
  t.teardown(client.close);
  const asked = { tsize: '0', blksize: '9000', windowsize: '4', timeout: '3000' };
  t.same(await readWith(client, 'undionly.kpxe', asked), loader);
  await harness.until('both events are there', () => harness.observations.length === 2);
  t.match(harness.observations, [
    {
      kind: 'tftp.read',
      outcome: 'answered',
      mac: KNOWN_MAC,
      via: 'lo',
      at: 1_700_000_000_000,
      asked: 'undionly.kpxe (octet, tsize 0, blksize 9000, windowsize 4, timeout 3000)',
      answered: 'OACK tsize 74213, blksize 1468, windowsize 4',
      reasons: [/74213 bytes/, /blksize 9000 made 1468/, /timeout left out/],
    },
    {
      kind: 'tftp.done',
      outcome: 'answered',
      mac: KNOWN_MAC,
      stage: 'firmware',
      answered: /^74213 of 74213 bytes/,
    },
  ]);
});

t.test('TFTP 3: an abort right after the OACK is EDK2’s size probe, and no fault', async (t) => {
  const harness = await startHarness({ files });
  t.teardown(harness.stop);
  const client = await createRawClient(harness.port);
  t.teardown(client.close);
  await client.ask('undionly.kpxe', { tsize: '0', blksize: '1468' });
  const { from } = await client.next();
  await client.send({ kind: 'error', code: 8, message: 'User aborted the transfer' }, from.port);
  await harness.until('the probe is noted', () => harness.observations.length === 2);
  const done = harness.observations[1];
  t.match(done, { kind: 'tftp.done', outcome: 'noted', reasons: [/asking for the size/] });
  t.equal(done?.stage, undefined);
  t.equal(harness.server.activeTransfers(), 0);
  // Then it reads, from the same port as likely as not.
  t.same(await readWith(client, 'undionly.kpxe', { tsize: '0', blksize: '1468' }), loader);
});

t.test('TFTP 3: a missing final ACK is a success; an abort on the way is not', async (t) => {
  const harness = await startHarness({ files, pace: 50 });
  t.teardown(harness.stop);
  const client = await createRawClient(harness.port);
  t.teardown(client.close);
  await client.ask('small', { tsize: '0' });
  const { from } = await client.next();
  await client.ack(0, from.port);
  // On a busy machine the server's timer is faster than this client: it sends its OACK again.
  let next = await client.next();
  while (next.packet.kind === 'options-ack') next = await client.next();
  t.match(next.packet, { kind: 'data', block: 1 });
  await harness.until('the transfer ends', () => harness.server.activeTransfers() === 0);
  t.match(harness.observations[1], {
    outcome: 'answered',
    stage: 'firmware',
    reasons: [/last ACK never came/],
  });

  const other = await createRawClient(harness.port);
  t.teardown(other.close);
  await other.ask('undionly.kpxe');
  const first = await other.next();
  await other.ack(1, first.from.port);
  await other.send({ kind: 'error', code: 3, message: 'no room' }, first.from.port);
  await harness.until('the abort is noted', () => harness.observations.length === 4);
  t.match(harness.observations[3], {
    outcome: 'noted',
    reasons: [/stopped before block 2 \(error 3: no room\)/],
  });
  t.equal(harness.observations[3]?.stage, undefined);
});

t.test('TFTP 5: what is lost comes again, and a duplicate ACK brings nothing', async (t) => {
  const impatient = await startHarness({ files });
  t.teardown(impatient.stop);
  const client = await createRawClient(impatient.port);
  t.teardown(client.close);
  await client.ask('three-blocks');
  const first = await client.next();
  t.match((await client.next()).packet, first.packet, 'nobody acknowledged: once more');

  const frozen = await startHarness({ files, pace: 'frozen' });
  t.teardown(frozen.stop);
  const apprentice = await createRawClient(frozen.port);
  t.teardown(apprentice.close);
  await apprentice.ask('three-blocks');
  const { from } = await apprentice.next();
  for (const block of [1, 1, 1, 0, 1, 2, 2, 2, 1]) await apprentice.ack(block, from.port);
  t.match((await apprentice.next()).packet, { kind: 'data', block: 2 });
  t.match((await apprentice.next()).packet, { kind: 'data', block: 3 });
  await apprentice.ack(3, from.port);
  await frozen.until('the transfer ends', () => frozen.server.activeTransfers() === 0);
  t.equal(apprentice.waiting(), 0, 'each block came once');
});

t.test('TFTP 6: the same request from the same port is one transfer, another file a new one', async (t) => {
  const harness = await startHarness({ files, pace: 'frozen' });
  t.teardown(harness.stop);
  const client = await createRawClient(harness.port);
  t.teardown(client.close);
  await client.ask('three-blocks');
  await client.ask('three-blocks');
  const first = await client.next();
  await client.ask('three-blocks');
  await client.ack(1, first.from.port);
  t.match(await client.next(), { packet: { kind: 'data', block: 2 }, from: { port: first.from.port } });
  await client.ask('three-blocks');
  await harness.until('all came', () => harness.counters.get('tftp.duplicate-request') === 3);
  t.equal(harness.server.activeTransfers(), 1);

  await client.ask('small');
  const second = await client.next();
  t.match(second.packet, { kind: 'data', block: 1, bytes: files.small });
  t.not(second.from.port, first.from.port, 'from a port of which no late packet can be mistaken');
  t.equal(harness.server.activeTransfers(), 1);
  t.match(harness.observations[1], { kind: 'tftp.done', outcome: 'noted', reasons: [/asked anew/] });
});

t.test('TFTP 6: a machine that was reset asks again from the same port and starts over', async (t) => {
  const harness = await startHarness({ files, pace: 200 });
  t.teardown(harness.stop);
  const client = await createRawClient(harness.port);
  t.teardown(client.close);
  await client.ask('undionly.kpxe');
  const first = await client.next();
  await client.ack(1, first.from.port);
  // Seconds pass on the server's clock: the first transfer is at a standstill.
  for (let resends = 0; resends < 3; resends++) await client.next();
  await client.ask('undionly.kpxe');
  let again = await client.next();
  while (again.from.port === first.from.port) again = await client.next();
  t.match(again.packet, { kind: 'data', block: 1 });
});

t.test('TFTP 6: requests beyond the most transfers get silence, and silent clients make room', async (t) => {
  const harness = await startHarness({ files, maxTransfers: 8, pace: 20 });
  t.teardown(harness.stop);
  const silent = await Promise.all([1, 2, 3].map(() => createRawClient(harness.port)));
  for (const client of silent) t.teardown(client.close);
  for (const client of silent) {
    await client.ask('undionly.kpxe');
    await harness.until('it is recorded', () => harness.observations.length > silent.indexOf(client));
  }
  t.equal(harness.server.activeTransfers(), 2, 'one address has a quarter of all at most');
  t.match(harness.observations[2], {
    outcome: 'ignored',
    answered: '',
    reasons: [/2 transfers of this address are running/],
  });
  await harness.until('the silent ones are dropped', () => harness.server.activeTransfers() === 0);
  t.match(harness.observations[3], { kind: 'tftp.done', outcome: 'noted', reasons: [/no ACK of block 1/] });
  const client = await createRawClient(harness.port);
  t.teardown(client.close);
  t.same(await readWith(client, 'small'), files.small);
});

t.test('TFTP 6: addresses that fill every place leave none, and it is said', async (t) => {
  const harness = await startHarness({ files, maxTransfers: 4, pace: 100 });
  t.teardown(harness.stop);
  for (let last = 1; last <= 5; last++) {
    const client = await createRawClient(harness.port, '127.0.0.1', `127.0.0.${last}`);
    t.teardown(client.close);
    await client.ask('undionly.kpxe');
    await harness.until('it is recorded', () => harness.observations.length >= last);
  }
  t.match(harness.observations[4], { outcome: 'ignored', reasons: [/4 transfers are running/] });
});

t.test('TFTP 7: a stranger gets error 5 and changes nothing; scraps of packets are ignored', async (t) => {
  const harness = await startHarness({ files, pace: 'frozen' });
  t.teardown(harness.stop);
  const client = await createRawClient(harness.port);
  const stranger = await createRawClient(harness.port);
  t.teardown(client.close);
  t.teardown(stranger.close);
  await client.ask('three-blocks');
  const { from } = await client.next();

  await stranger.ack(1, from.port);
  t.match((await stranger.next()).packet, { kind: 'error', code: TFTP_ERRORS.unknownTransfer });
  await stranger.send({ kind: 'error', code: 0, message: 'stop' }, from.port);
  for (const scrap of [[], [0], [0, 4, 0], [0, 5, 0], [9, 9, 9, 9], [0, 3, 0, 1]]) {
    await stranger.send(Uint8Array.from(scrap), from.port);
    await client.send(Uint8Array.from(scrap), from.port);
    await client.send(Uint8Array.from(scrap), harness.port);
  }
  await client.ack(1, from.port);
  t.match((await client.next()).packet, { kind: 'data', block: 2 }, 'the transfer goes on');
  t.equal(harness.server.activeTransfers(), 1);
  // Of all that, only the two whole packets that are no ERROR were answered.
  for (let answers = 0; answers < 2; answers++)
    t.match((await stranger.next()).packet, { kind: 'error', code: 5 });
  t.equal(stranger.waiting(), 0);
});

t.test(
  'TFTP 7: a late packet of an earlier transfer is ignored where the port serves another one',
  async (t) => {
    const harness = await startHarness({ files, pace: 'frozen' });
    t.teardown(harness.stop);
    const early = await createRawClient(harness.port);
    const later = await createRawClient(harness.port);
    t.teardown(early.close);
    t.teardown(later.close);
    t.same(await readWith(early, 'three-blocks'), files['three-blocks']);
    await harness.until('it ends', () => harness.server.activeTransfers() === 0);
    await later.ask('three-blocks');
    const { from } = await later.next();
    await early.ack(3, from.port);
    await early.send({ kind: 'error', code: 0, message: 'late' }, from.port);
    await harness.until('both came', () => harness.counters.get('tftp.late') === 2);
    t.equal(early.waiting(), 0, 'no error 5 for it');
    await later.ack(1, from.port);
    t.match((await later.next()).packet, { kind: 'data', block: 2 });
  },
);

t.test('TFTP 8: a gap inside the last window is mended', async (t) => {
  const harness = await startHarness({ files, pace: 'frozen' });
  t.teardown(harness.stop);
  const client = await createRawClient(harness.port);
  t.teardown(client.close);
  await client.ask('three-blocks', { windowsize: '4' });
  const { from } = await client.next();
  await client.ack(0, from.port);
  const blocks = async (count: number): Promise<unknown[]> => {
    const got: unknown[] = [];
    for (let each = 0; each < count; each++) {
      const { packet } = await client.next();
      got.push(packet.kind === 'data' ? packet.block : packet);
    }
    return got;
  };
  t.same(await blocks(3), [1, 2, 3]);
  await client.ack(1, from.port);
  t.same(await blocks(2), [2, 3], 'back to the block after the acknowledged one');
  t.equal(harness.server.activeTransfers(), 1, 'not closed before the last ACK');
  await client.ack(3, from.port);
  await harness.until('it ends', () => harness.server.activeTransfers() === 0);
  t.match(harness.observations[1], { outcome: 'answered', answered: /2 blocks sent again/ });
});

t.test('hundreds of aborted transfers leave neither transfers nor sockets', async (t) => {
  const harness = await startHarness({ files, maxTransfers: 1000 });
  t.teardown(harness.stop);
  for (let round = 0; round < 3; round++) {
    const clients = await Promise.all(Array.from({ length: 150 }, () => createRawClient(harness.port)));
    await Promise.all(
      clients.map(async (client) => {
        await client.ask('undionly.kpxe', { blksize: '1468' });
        const { from } = await client.next();
        await client.ack(0, from.port);
        await client.next();
        await client.send({ kind: 'error', code: 0, message: 'enough' }, from.port);
      }),
    );
    await harness.until('all have ended', () => harness.server.activeTransfers() === 0);
    for (const client of clients) client.close();
    t.ok(harness.server.openSockets() <= 65, `${harness.server.openSockets()} sockets after round ${round}`);
  }
});

t.test('stopping lets running transfers finish, and tells those that do not in time', async (t) => {
  const harness = await startHarness({ files });
  const client = await createRawClient(harness.port);
  const slow = await createRawClient(harness.port);
  t.teardown(client.close);
  t.teardown(slow.close);
  await client.ask('three-blocks');
  const first = await client.next();
  await slow.ask('three-blocks');
  const { from } = await slow.next();
  const stopped = harness.server.stop({ graceMs: 500 });
  for (let block = 1; block <= 3; block++) await client.ack(block, first.from.port);
  await stopped;
  const ends = harness.observations.filter(({ kind }) => kind === 'tftp.done');
  t.match(ends, [
    { outcome: 'answered', stage: 'firmware' },
    { outcome: 'noted', reasons: ['the server stops'] },
  ]);
  let last = await slow.next();
  while (last.packet.kind === 'data') last = await slow.next();
  t.match(last, { packet: { kind: 'error', message: 'the server stops' }, from: { port: from.port } });
  await harness.server.stop({ graceMs: 0 });
});

t.test('whatever comes, the server serves on', async (t) => {
  const harness = await startHarness({ files });
  t.teardown(harness.stop);
  const attacker = await createRawClient(harness.port);
  t.teardown(attacker.close);
  await attacker.ask('undionly.kpxe', { blksize: '1468' });
  const { from } = await attacker.next();
  const request = Buffer.from('\0\x01undionly.kpxe\0octet\0blksize\x001468\0tsize\x000\0windowsize\x0064\0');
  for (let nth = 0; nth < 3000; nth++) {
    const mutated = Buffer.from(nth % 2 === 0 ? request : randomBytes(nth % 70));
    for (let each = 0; each < 1 + (nth % 3) && mutated.length > 0; each++) {
      mutated[Math.floor(Math.random() * mutated.length)] = Math.floor(Math.random() * 256);
    }
    await attacker.send(
      mutated.subarray(0, nth % 5 === 0 ? nth % 60 : undefined),
      nth % 3 === 0 ? from.port : harness.port,
    );
  }
  const client = await createRawClient(harness.port);
  t.teardown(client.close);
  t.same(await readWith(client, 'undionly.kpxe', { blksize: '1468', windowsize: '4' }), loader);
  t.equal(harness.counters.get('tftp.read.failed'), undefined, 'and nothing went wrong inside');
});

t.test(
  'a socket that cannot be opened is an error at the start, and only a lost transfer later',
  async (t) => {
    await t.rejects(startHarness({ openSocket: fail }), { message: 'no more sockets' });
    let opened = 0;
    const { openUdpSocket } = await import('../../src/net/open-udp-socket.ts');
    const harness = await startHarness({
      files,
      openSocket: (how) => (opened++ < 1 ? openUdpSocket(how) : fail()),
      openDescriptor: fail,
    });
    t.teardown(harness.stop);
    const client = await createRawClient(harness.port);
    t.teardown(client.close);
    await client.ask('small');
    await harness.until('the failure is recorded', () => harness.observations.length === 1);
    t.match(harness.observations[0], { kind: 'tftp.read', outcome: 'failed', reasons: ['no more sockets'] });
    t.equal(harness.server.activeTransfers(), 0);
  },
);
