import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { formatIpv4 } from '../../../src/machine/ipv4.ts';
import { decodeClientUuid } from '../../../src/protocol/dhcp/option-97.ts';
import { describeOption, describePacket } from '../../../src/protocol/dhcp/option-dictionary.ts';
import { type DhcpPacket, decodeDhcpPacket, encodeDhcpPacket } from '../../../src/protocol/dhcp/packet.ts';
import { type CapturedDatagram, readPcap } from '../../support/read-pcap.ts';

const fixtures = new URL('../../fixtures/dhcp/', import.meta.url);
const captures = readdirSync(fixtures)
  .filter((name) => name.endsWith('.pcap'))
  .map((name) => ({ name, datagrams: readPcap(readFileSync(new URL(name, fixtures))) }));

/** A packet as the golden files show it: for people to compare. */
function view({ source, sourcePort, destination, destinationPort, payload }: CapturedDatagram): object {
  const packet = decodeDhcpPacket(payload);
  const { op, htype, hlen, hops, xid, secs, flags, sname, file } = packet;
  return {
    route: `${formatIpv4(source)}:${sourcePort} > ${formatIpv4(destination)}:${destinationPort}`,
    summary: describePacket(packet),
    header: {
      op,
      htype,
      hlen,
      hops,
      xid,
      secs,
      flags,
      ...addressesOf(packet),
      chaddr: hex(packet.chaddr),
      sname,
      file,
    },
    options: [...packet.options].map(([code, bytes]) => {
      const { name, text } = describeOption(code, bytes);
      return `${code} ${name}: ${text} [${hex(bytes)}]`;
    }),
  };
}

function addressesOf({ ciaddr, yiaddr, siaddr, giaddr }: DhcpPacket): object {
  const entries = Object.entries({ ciaddr, yiaddr, siaddr, giaddr });
  return Object.fromEntries(entries.map(([name, address]) => [name, formatIpv4(address)]));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

t.test('real packets decode as their golden files say', async (t) => {
  t.strictSame(
    captures.map(({ name }) => name),
    ['bios-pxe', 'dhclient', 'ipxe-bios', 'ovmf-http', 'ovmf-proxy', 'ovmf-pxe', 'perfdhcp', 'udhcpc'].map(
      (name) => `${name}.pcap`,
    ),
  );
  for (const { name, datagrams } of captures) {
    const golden = new URL(name.replace('.pcap', '.json'), fixtures);
    const decoded = datagrams.map(view);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, `${JSON.stringify(decoded, null, 2)}\n`);
    t.strictSame(decoded, JSON.parse(readFileSync(golden, 'utf8')), name);
  }
});

t.test('real packets survive decoding and encoding', async (t) => {
  for (const { name, datagrams } of captures) {
    t.ok(datagrams.length > 0, name);
    for (const { payload } of datagrams) {
      const packet = decodeDhcpPacket(payload);
      const again = decodeDhcpPacket(encodeDhcpPacket(packet));
      t.strictSame({ ...again, options: undefined }, { ...packet, options: undefined }, name);
      t.strictSame(
        new Map([...again.options].toSorted(byCode)),
        new Map([...packet.options].toSorted(byCode)),
        name,
      );
    }
  }
});

function byCode([left]: readonly [number, Uint8Array], [right]: readonly [number, Uint8Array]): number {
  return left - right;
}

t.test('EDK2 and iPXE send the UUID in the same order', async (t) => {
  const uuids = captures
    .filter(({ name }) => /^(bios|ipxe|ovmf)-/.test(name))
    .flatMap(({ datagrams }) => datagrams.map(({ payload }) => decodeDhcpPacket(payload).options.get(97)))
    .filter((bytes) => bytes !== undefined)
    .map(decodeClientUuid);
  t.ok(uuids.length > 20);
  t.strictSame(new Set(uuids), new Set(['12345678-9abc-def0-1234-56789abcdef0']));
});

t.test('every cut of a real packet is refused or decoded, never a crash', async (t) => {
  for (const { name, datagrams } of captures) {
    const { payload } = datagrams[0] as CapturedDatagram;
    let refused = 0;
    for (let length = 0; length < payload.length; length += 1) {
      try {
        decodeDhcpPacket(payload.subarray(0, length));
      } catch (error) {
        if ((error as Error).name !== 'DhcpDecodeError') throw error;
        refused += 1;
      }
    }
    t.ok(refused >= 240, name);
  }
});
