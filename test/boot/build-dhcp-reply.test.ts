import t from 'tap';
import {
  type BootAnswer,
  buildDhcpReply,
  destinationOf,
  type ReplyInput,
} from '../../src/boot/build-dhcp-reply.ts';
import { identifyClient, type NetworkClient } from '../../src/boot/identify-client.ts';
import { LIMITED_BROADCAST } from '../../src/machine/ipv4.ts';
import { OPTION } from '../../src/protocol/dhcp/option-codes.ts';
import { decodeDhcpPacket, encodeDhcpPacket } from '../../src/protocol/dhcp/packet.ts';
import { ip, SUBNET } from '../support/make-environment.ts';
import { BIOS_ROM, IPXE, makeRequest, type RequestShape, UEFI_ROM } from '../support/make-request.ts';

function reply(
  shape: RequestShape,
  input: Partial<Omit<ReplyInput, 'boot'>> & { boot?: Partial<BootAnswer> } = {},
) {
  const request = makeRequest(shape);
  const client = identifyClient(request).client as NetworkClient;
  const boot: BootAnswer = {
    client,
    bootfile: 'snponly.efi',
    plane: 'proxy',
    uefiProxy: 'pxe',
    ...input.boot,
  };
  const wire = encodeDhcpPacket(
    buildDhcpReply({ type: 'offer', serverAddress: ip('10.77.0.1'), ...input, request, boot }),
  );
  return { wire, packet: decodeDhcpPacket(wire) };
}
const text = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1');
const HTTP = { vendorClass: 'HTTPClient:Arch:00016', architectures: [16] } as const;

t.test('a BIOS proxy offer has option 43 {6: 8} with its end, and option 60', (t) => {
  const { options } = reply(BIOS_ROM).packet;
  t.same([...(options.get(OPTION.vendorSpecific) ?? [])], [6, 1, 8, 255]);
  t.equal(text(options.get(OPTION.vendorClass)), 'PXEClient');
  t.end();
});

t.test(
  'a UEFI proxy offer has no option 43, so that EDK2 asks port 4011, unless the operator says offer',
  (t) => {
    t.equal(reply(UEFI_ROM).packet.options.has(OPTION.vendorSpecific), false);
    const direct = reply(UEFI_ROM, { boot: { uefiProxy: 'offer' } }).packet;
    t.same([...(direct.options.get(OPTION.vendorSpecific) ?? [])], [6, 1, 8, 255]);
    t.end();
  },
);

t.test('a network boot is told of the log server where there is one, in every plane', (t) => {
  for (const plane of ['proxy', 'server', 'port4011'] as const) {
    const { options } = reply(UEFI_ROM, { boot: { plane, syslog: true } }).packet;
    t.same([...(options.get(OPTION.logServer) ?? [])], [10, 77, 0, 1], plane);
  }
  t.notOk(reply(UEFI_ROM).packet.options.has(OPTION.logServer));
  t.end();
});

t.test('sub-option 71 is echoed if it was asked', (t) => {
  const raw = [[OPTION.vendorSpecific, Uint8Array.of(71, 4, 0, 0, 0, 0, 255)]] as const;
  const { options } = reply({ ...BIOS_ROM, raw }, { boot: { plane: 'port4011' } }).packet;
  t.same([...(options.get(OPTION.vendorSpecific) ?? [])], [6, 1, 8, 71, 4, 0, 0, 0, 0, 255]);
  t.end();
});

t.test('server mode sends no option 60 for PXE, but for HTTP boot always', (t) => {
  t.equal(reply(UEFI_ROM, { boot: { plane: 'server' } }).packet.options.has(OPTION.vendorClass), false);
  t.equal(reply(UEFI_ROM, { boot: { plane: 'server' } }).packet.options.has(OPTION.vendorSpecific), false);
  for (const plane of ['server', 'proxy'] as const) {
    t.equal(
      text(reply(HTTP, { boot: { plane } }).packet.options.get(OPTION.vendorClass)),
      'HTTPClient',
      plane,
    );
  }
  t.end();
});

t.test('server mode spares iPXE its wait for a proxy (175.176 = 1), and only iPXE', (t) => {
  t.same(
    [...(reply(IPXE, { boot: { plane: 'server' } }).packet.options.get(OPTION.ipxe) ?? [])].slice(0, 3),
    [176, 1, 1],
  );
  t.equal(reply(IPXE).packet.options.has(OPTION.ipxe), false);
  t.equal(reply(UEFI_ROM, { boot: { plane: 'server' } }).packet.options.has(OPTION.ipxe), false);
  t.end();
});

t.test(
  'the bootfile stands in file and in a NUL-terminated option 67, the server in siaddr, sname, 54 and 66',
  (t) => {
    const { packet } = reply(UEFI_ROM);
    t.equal(packet.file, 'snponly.efi');
    t.equal(text(packet.options.get(OPTION.bootfileName)), 'snponly.efi\0');
    t.equal(packet.siaddr, ip('10.77.0.1'));
    t.equal(packet.sname, '10.77.0.1');
    t.equal(text(packet.options.get(OPTION.tftpServerName)), '10.77.0.1');
    t.same([...(packet.options.get(OPTION.serverIdentifier) ?? [])], [10, 77, 0, 1]);
    t.end();
  },
);

t.test('a bootfile above 127 characters goes in option 67 alone', (t) => {
  const bootfile = `http://10.77.0.1/${'x'.repeat(120)}`;
  const { packet } = reply(HTTP, { boot: { bootfile } });
  t.equal(packet.file, '');
  t.equal(text(packet.options.get(OPTION.bootfileName)), `${bootfile}\0`);
  t.equal(reply(HTTP, { boot: { bootfile: 'y'.repeat(127) } }).packet.file.length, 127);
  t.end();
});

t.test('option 97 is echoed only if it came with 17 bytes', (t) => {
  for (const length of [0, 1, 16, 17, 18]) {
    const raw = [[OPTION.clientUuid, new Uint8Array(length).fill(7)]] as const;
    t.equal(
      reply({ ...UEFI_ROM, raw }).packet.options.has(OPTION.clientUuid),
      length === 17,
      `${length} bytes`,
    );
  }
  t.end();
});

t.test(
  'giaddr, xid and flags are kept, option 82 is echoed last, and a reply has at least 300 bytes',
  (t) => {
    const relay = Uint8Array.of(1, 2, 65, 66);
    const shape = {
      ...UEFI_ROM,
      giaddr: ip('10.88.0.1'),
      flags: 0,
      raw: [[OPTION.relayAgentInformation, relay]],
    } as const;
    const { packet, wire } = reply(shape, {
      address: { address: ip('10.77.0.100'), subnet: SUBNET, hostname: 'n1' },
    });
    t.equal(packet.giaddr, ip('10.88.0.1'));
    t.equal(packet.xid, 0x12345678);
    t.equal(packet.flags, 0);
    t.equal([...packet.options.keys()].at(-1), OPTION.relayAgentInformation);
    t.same(packet.options.get(OPTION.relayAgentInformation), relay);
    t.ok(wire.length >= 300);
    t.end();
  },
);

t.test(
  "an address comes with mask, router, name and time servers, MTU, hostname and RFC 2131's times",
  (t) => {
    const { packet } = reply(UEFI_ROM, {
      boot: { plane: 'server' },
      address: { address: ip('10.77.0.100'), subnet: SUBNET, hostname: 'master-1' },
    });
    const bytes = (code: number) => [...(packet.options.get(code) ?? [])];
    t.equal(packet.yiaddr, ip('10.77.0.100'));
    t.same(bytes(OPTION.subnetMask), [255, 255, 255, 0]);
    t.same(bytes(OPTION.broadcastAddress), [10, 77, 0, 255]);
    t.same(bytes(OPTION.router), [10, 77, 0, 1]);
    t.same(bytes(OPTION.domainNameServer), [10, 77, 0, 1]);
    t.same(bytes(OPTION.ntpServers), [10, 77, 0, 2]);
    t.same(bytes(OPTION.interfaceMtu), [1450 >> 8, 1450 & 255]);
    t.equal(text(packet.options.get(OPTION.hostName)), 'master-1');
    t.equal(text(packet.options.get(OPTION.domainName)), 'cluster.local');
    t.same(bytes(OPTION.leaseTime), [0, 0, 14, 16]);
    t.same(bytes(OPTION.renewalTime), [0, 0, 7, 8]);
    t.same(bytes(OPTION.rebindingTime), [0, 0, 12, 78]);
    t.end();
  },
);

t.test('a reply goes to the relay, to a client that has an address, or to everybody', (t) => {
  const zero = ip('0.0.0.0');
  const relay = ip('10.88.0.1');
  const own = ip('10.77.0.100');
  const rows = [
    ['a relayed packet', { giaddr: relay, ciaddr: own }, 'request', 'ack', relay, 67],
    ['a renewal', { giaddr: zero, ciaddr: own }, 'request', 'ack', own, 68],
    ['an INFORM', { giaddr: zero, ciaddr: own }, 'inform', 'ack', own, 68],
    [
      'a bogus ciaddr in a DISCOVER',
      { giaddr: zero, ciaddr: own },
      'discover',
      'offer',
      LIMITED_BROADCAST,
      68,
    ],
    [
      'a stale ciaddr in a REQUEST that selects us',
      { giaddr: zero, ciaddr: own, server: ip('10.77.0.1') },
      'request',
      'ack',
      LIMITED_BROADCAST,
      68,
    ],
    ['a NAK', { giaddr: zero, ciaddr: own }, 'request', 'nak', LIMITED_BROADCAST, 68],
    ['a new client', { giaddr: zero, ciaddr: zero }, 'discover', 'offer', LIMITED_BROADCAST, 68],
  ] as const;
  for (const [name, request, asked, answered, address, port] of rows) {
    const { options } = makeRequest({ type: asked, ...('server' in request && { server: request.server }) });
    t.same(destinationOf({ ...request, options }, answered), { address, port }, name);
  }
  t.end();
});

t.test('an ACK repeats the address that a client has, and no stale one of a client that has none', (t) => {
  const own = ip('10.77.0.66');
  const address = { address: ip('10.77.0.100'), subnet: SUBNET, hostname: undefined };
  const rows = [
    ['a renewal', { ciaddr: own }, address, own],
    ['a stale one in a REQUEST that selects us', { ciaddr: own, server: ip('10.77.0.1') }, address, 0],
    [
      'a REQUEST on port 4011, which gives no address',
      { ciaddr: own, server: ip('10.77.0.1') },
      undefined,
      own,
    ],
  ] as const;
  for (const [name, shape, given, expected] of rows) {
    const request = makeRequest({ type: 'request', ...shape });
    const ack = buildDhcpReply({ request, type: 'ack', serverAddress: ip('10.77.0.1'), address: given });
    t.equal(ack.ciaddr, expected, name);
  }
  t.end();
});

t.test('a NAK through a relay sets the broadcast flag', (t) => {
  const request = makeRequest({ type: 'request', giaddr: ip('10.88.0.1'), flags: 0 });
  const nak = buildDhcpReply({ request, type: 'nak', serverAddress: ip('10.77.0.1'), message: 'no' });
  t.equal(nak.flags, 0x8000);
  t.end();
});
