import fc from 'fast-check';
import t from 'tap';
import { buildDhcpReply, type ReplyInput } from '../../src/boot/build-dhcp-reply.ts';
import { encodeDhcpReply } from '../../src/boot/encode-dhcp-reply.ts';
import { identifyClient, type NetworkClient } from '../../src/boot/identify-client.ts';
import { type Ipv4, UNSPECIFIED } from '../../src/machine/ipv4.ts';
import { OPTION } from '../../src/protocol/dhcp/option-codes.ts';
import { encodeDhcpPacket } from '../../src/protocol/dhcp/packet.ts';
import { ip, SUBNET } from '../support/make-environment.ts';
import { makeRequest, UEFI_ROM } from '../support/make-request.ts';

const address = fc.constantFrom(UNSPECIFIED, ip('10.77.0.1'), ip('10.77.0.9'), 0xffffffff as Ipv4);
const option = (maxLength: number) => fc.option(fc.uint8Array({ maxLength }), { nil: undefined });
const text = (maxLength: number) =>
  fc.option(fc.string({ unit: 'grapheme-ascii', maxLength }), { nil: undefined });

const inputs = fc.record({
  type: fc.constantFrom<ReplyInput['type']>('offer', 'ack', 'nak'),
  serverAddress: address,
  given: fc.option(address, { nil: undefined }),
  hostname: text(300),
  message: fc.option(fc.constant('no'), { nil: undefined, freq: 3 }),
  giaddr: address,
  ciaddr: address,
  uuid: option(20),
  relay: option(400),
  dns: fc.array(address, { maxLength: 70 }),
  ntp: fc.array(address, { maxLength: 3 }),
  domain: text(20),
  router: fc.option(address, { nil: undefined }),
  boots: fc.option(fc.constant(true), { nil: undefined, freq: 3 }),
});

t.test('a reply put together of pieces has the bytes of the one that is built', async () => {
  fc.assert(
    fc.property(inputs, (input) => {
      const { type, serverAddress, given, hostname, message, giaddr, ciaddr, uuid, relay } = input;
      const shaped = makeRequest(UEFI_ROM);
      const options = new Map(shaped.options);
      options.delete(OPTION.clientUuid);
      if (uuid !== undefined) options.set(OPTION.clientUuid, uuid);
      if (relay !== undefined) options.set(OPTION.relayAgentInformation, relay);
      const request = { ...shaped, options, giaddr, ciaddr };
      const { router: _router, domain: _domain, ...plain } = SUBNET;
      const subnet = {
        ...plain,
        dns: input.dns,
        ntp: input.ntp,
        ...(input.domain === undefined ? {} : { domain: input.domain }),
        ...(input.router === undefined ? {} : { router: input.router }),
      };
      const client = identifyClient(request).client as NetworkClient;
      const boot = { client, bootfile: 'a.efi', plane: 'server', uefiProxy: 'pxe' } as const;
      const reply: ReplyInput = {
        request,
        type,
        serverAddress,
        address: given === undefined ? undefined : { address: given, subnet, hostname },
        message,
        boot: input.boots === undefined ? undefined : boot,
      };
      const expected = Buffer.from(encodeDhcpPacket(buildDhcpReply(reply)));
      // Twice: what is worked out once is the same the next time.
      return expected.equals(encodeDhcpReply(reply)) && expected.equals(encodeDhcpReply(reply));
    }),
    { numRuns: 1000 },
  );
});
