import t from 'tap';
import { buildDhcpReply } from '../../src/boot/build-dhcp-reply.ts';
import {
  describeDhcpServer,
  encodeBootProbe,
  encodeProbe,
  makeProbe,
  probeMac,
  readBootProbeReply,
  readProbeReply,
} from '../../src/boot/dhcp-probe.ts';
import { type Ipv4, parseIpv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { describePacket } from '../../src/protocol/dhcp/describe-packet.ts';
import { messageTypeOf, OPTION } from '../../src/protocol/dhcp/option-codes.ts';
import { textValue } from '../../src/protocol/dhcp/option-values.ts';
import { type DhcpPacket, decodeDhcpPacket, encodeDhcpPacket } from '../../src/protocol/dhcp/packet.ts';

const address = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
const PROBE = makeProbe(Uint8Array.of(0xff, 1, 2, 3, 4, 5, 0xde, 0xad, 0xbe, 0xef));

const SUBNET = {
  network: { address: address('10.77.0.0'), prefix: 24 },
  ranges: [],
  leaseTime: 600,
  router: address('10.77.0.254'),
  dns: [],
  ntp: [],
  via: 'eth1',
};

function reply(type: 'offer' | 'ack', offered: string | undefined): Uint8Array {
  return encodeDhcpPacket(
    buildDhcpReply({
      request: decodeDhcpPacket(encodeProbe(PROBE)),
      type,
      serverAddress: address('10.77.0.2'),
      ...(offered !== undefined && {
        address: { address: address(offered), subnet: SUBNET, hostname: undefined },
      }),
    }),
  );
}

t.test('the probe is a DISCOVER of a locally administered address that asks for a broadcast', async (t) => {
  t.same(PROBE, { mac: 'fe:01:02:03:04:05', xid: 0xdeadbeef });
  for (const first of [0, 1, 2, 3, 0x54, 0xff]) {
    const { mac } = makeProbe(Uint8Array.of(first, 1, 2, 3, 4, 5, 0, 0, 0, 1));
    t.equal(Number.parseInt(mac, 16) & 3, 2, mac);
  }
  const packet = decodeDhcpPacket(encodeProbe(PROBE));
  t.equal(messageTypeOf(packet), 'discover');
  t.equal(packet.flags, 0x8000);
});

t.test('an offer to the probe names its server and what it would give', async (t) => {
  const found = readProbeReply(reply('offer', '10.77.0.57'), PROBE);
  t.match(found, { server: address('10.77.0.2'), offered: address('10.77.0.57'), leaseTime: 600 });
  if (found === undefined) return;
  const text = describeDhcpServer({ ...found, mac: '52:54:00:12:34:56' as Mac });
  t.equal(text, '10.77.0.2 (52:54:00:12:34:56), which offered 10.77.0.57, router 10.77.0.254');
});

t.test('anything else is no offer', async (t) => {
  const { mac, xid } = PROBE;
  t.equal(readProbeReply(reply('offer', '10.77.0.57'), { mac, xid: 1 }), undefined, "another's xid");
  t.equal(
    readProbeReply(reply('offer', '10.77.0.57'), { mac: '02:00:00:00:00:01' as Mac, xid }),
    undefined,
    "another's MAC",
  );
  t.equal(readProbeReply(reply('ack', '10.77.0.57'), PROBE), undefined, 'an ACK');
  t.equal(readProbeReply(reply('offer', undefined), PROBE), undefined, 'a proxy, which offers no address');
  t.equal(readProbeReply(encodeProbe(PROBE), PROBE), undefined, 'the probe itself');
  t.equal(readProbeReply(Uint8Array.of(2, 1, 6), PROBE), undefined, 'no DHCP at all');
});

t.test('who names a boot file to firmware is found, with an address or without', async (t) => {
  const request = decodeDhcpPacket(encodeBootProbe(PROBE));
  t.match(describePacket(request), /"PXEClient:Arch:00007:UNDI:003016" arch 7/);
  const answer = (more: Partial<DhcpPacket>, options: readonly (readonly [number, Uint8Array])[] = []) => {
    const made = buildDhcpReply({ request, type: 'offer', serverAddress: address('10.77.0.2') });
    return encodeDhcpPacket({ ...made, ...more, options: new Map([...made.options, ...options]) });
  };
  const named = [OPTION.bootfileName, textValue('pxelinux.0')] as const;
  const rows: readonly (readonly [string, Uint8Array, object | undefined])[] = [
    ['in option 67', answer({}, [named]), { server: address('10.77.0.2'), bootfile: 'pxelinux.0' }],
    ['in the header', answer({ file: 'grub.efi' }), { bootfile: 'grub.efi' }],
    ['with an address', answer({ yiaddr: address('10.77.0.9') }, [named]), { bootfile: 'pxelinux.0' }],
    [
      'on another host',
      answer({ siaddr: address('10.77.0.8') }, [named]),
      { nextServer: address('10.77.0.8') },
    ],
    ['on itself', answer({ siaddr: address('10.77.0.2') }, [named]), { nextServer: undefined }],
    ['with what no terminal should get', answer({ file: 'a\u001b[2J"' }), { bootfile: 'a\\x1b[2J\\x22' }],
    ['not at all', answer({ yiaddr: address('10.77.0.9') }), undefined],
    ['cut off', answer({}, [named]).subarray(0, 200), undefined],
  ];
  for (const [what, bytes, expected] of rows) {
    const found = readBootProbeReply(bytes, PROBE);
    if (expected === undefined) t.equal(found, undefined, what);
    else t.match({ nextServer: undefined, ...found }, expected, what);
  }
  t.equal(readBootProbeReply(answer({}, [named]), { ...PROBE, xid: 1 }), undefined, "another's");
});

t.test('an interface is probed in one name, which is locally administered and not its own', (t) => {
  for (const [own, prober] of [
    ['00:1b:21:12:34:56', '42:1b:21:12:34:56'],
    ['52:54:00:12:34:56', '12:54:00:12:34:56'],
    ['42:1b:21:12:34:56', '02:1b:21:12:34:56'],
  ] as const)
    t.equal(probeMac(own as Mac), prober);
  t.end();
});
