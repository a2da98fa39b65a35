import t from 'tap';
import { type Ipv4, parseIpv4 } from '../../../src/machine/ipv4.ts';
import {
  decodeRelayAgentInformation,
  encodeRelayAgentInformation,
  type RelayAgentInformation,
} from '../../../src/protocol/dhcp/option-82.ts';

const link = parseIpv4('10.78.0.0') as Ipv4;

t.test('what a relay tells is read by name', async (t) => {
  const bytes = Uint8Array.of(1, 2, 0, 7, 2, 1, 9, 5, 4, 10, 78, 0, 0, 151, 1, 5);
  const { all, ...information } = decodeRelayAgentInformation(bytes);
  const expected: RelayAgentInformation = {
    circuitId: Uint8Array.of(0, 7),
    remoteId: Uint8Array.of(9),
    linkSelection: link,
  };
  t.strictSame(information, expected);
  t.strictSame(all.get(151), Uint8Array.of(5), 'and the rest by number');
});

t.test('everything survives encoding and decoding', async (t) => {
  const information: RelayAgentInformation = {
    circuitId: Uint8Array.of(0, 255),
    remoteId: new Uint8Array(),
    linkSelection: link,
    subscriberId: Uint8Array.of(1, 2, 3),
    serverIdentifierOverride: parseIpv4('10.77.0.254') as Ipv4,
  };
  const { all, ...decoded } = decodeRelayAgentInformation(encodeRelayAgentInformation(information));
  t.strictSame(decoded, information);
  t.equal(all.size, 5);
});

t.test('an address of the wrong length is none', async (t) => {
  const decoded = decodeRelayAgentInformation(Uint8Array.of(5, 3, 10, 78, 0, 11, 5, 10, 77, 0, 1, 1));
  t.equal(decoded.linkSelection, undefined);
  t.equal(decoded.serverIdentifierOverride, undefined);
});
