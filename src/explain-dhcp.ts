import type { DhcpExplanation } from './admin/explain-api.ts';
import { answerPort4011 } from './boot/answer-port-4011.ts';
import { answerProxy } from './boot/answer-proxy.ts';
import { answerServer } from './boot/answer-server.ts';
import type { AddressView } from './boot/choose-address.ts';
import { chooseLoaders } from './boot/choose-loaders.ts';
import type { DhcpAction, DhcpEnvironment } from './boot/dhcp-action.ts';
import type { NetworkClient } from './boot/identify-client.ts';
import type { Config } from './config/port.ts';
import type { FirmwareArchitecture } from './machine/architecture.ts';
import type { MachineFacts } from './machine/facts.ts';
import { UNSPECIFIED } from './machine/ipv4.ts';
import { macToBytes } from './machine/mac.ts';
import type { OnceUses } from './machine/once.ts';
import type { Catalog } from './machine/role.ts';
import { encodeMessageType, OPTION } from './protocol/dhcp/option-codes.ts';
import { BOOTREQUEST, type DhcpPacket } from './protocol/dhcp/packet.ts';
import type { ProvisioningNetworks } from './provisioning.ts';
import { dhcpFacts } from './remember-loaders.ts';
import { rememberReservations } from './remember-reservations.ts';
import { allLoaders } from './servers/boot-file-index.ts';
import { describeReply } from './servers/dhcp-loop.ts';
import type { BootLoopWatch } from './servers/watch-boot-loops.ts';
import { placeOn } from './wire-dhcp.ts';

export interface ExplainDhcpInput {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly uses: OnceUses;
  readonly networks: ProvisioningNetworks;
  readonly isBootfilePresent: (file: string) => boolean;
  /** Undefined: nobody knows who has which address, since no daemon runs. */
  readonly leases: AddressView | undefined;
  /** Whose ROM took its loader again and again; undefined as leases are. */
  readonly loops: Pick<BootLoopWatch, 'peek'> | undefined;
  readonly facts: MachineFacts & { readonly via?: string };
  /** Undefined: not known. */
  readonly architecture: FirmwareArchitecture | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const NO_LOOP = { looping: false, reasons: [] } as const;

/** What the machine would be answered if it asked now, by the decisions that answer it. Nothing is given away. */
export function explainDhcp(input: ExplainDhcpInput): DhcpExplanation {
  const { config, networks, facts, architecture, leases } = input;
  const { mode } = config.dhcp;
  if (mode === 'off')
    return { mode, answers: [], note: 'dhcp.mode: off: another server must name our boot file' };
  const via = networks.interfaces.find(({ name }) => name === facts.via) ?? networks.interfaces[0];
  if (via === undefined)
    return { mode, answers: [], note: 'no provisioning interface has an address: nothing is answered' };
  const place = placeOn(via.name, config, networks);
  if (place === undefined) return { mode, interface: via.name, answers: [] };
  const environmentOf = (client: NetworkClient): DhcpEnvironment => ({
    serverAddress: place.serverAddress,
    serverUrl: place.serverUrl,
    uefiProxy: config.dhcp.uefiProxy,
    loaders: allLoaders(config.loaders),
    roleLoaders: () =>
      chooseLoaders(
        dhcpFacts(client, facts.relay ?? UNSPECIFIED, facts.address ?? place.serverAddress),
        input.catalog,
        input.uses,
      ),
    isBootfilePresent: input.isBootfilePresent,
    loop: input.loops?.peek(client, input.now) ?? NO_LOOP,
    now: input.now,
  });
  const reserved = rememberReservations()(input.catalog);
  const packet = makeDiscover(facts);
  const ask = (client: NetworkClient): DhcpAction =>
    mode === 'proxy'
      ? answerProxy(packet, client, environmentOf(client))
      : answerServer(packet, client, {
          ...environmentOf(client),
          via: via.name,
          interfaceAddresses: place.interfaceAddresses,
          catalog: input.catalog,
          knownOnly: config.dhcp.knownOnly,
          subnets: networks.subnets,
          view: leases ?? NOTHING_LEASED,
          isLearning: false,
          isExcluded: (address) => networks.ownAddresses.has(address) || reserved.has(address),
        });
  const rom = clientOf(facts, architecture, 'rom');
  const asks4011 = mode === 'proxy' && architecture?.firmware === 'uefi' && config.dhcp.uefiProxy === 'pxe';
  const answers = [
    ...(architecture === undefined
      ? []
      : [describe(`DISCOVER of its firmware (${architecture.label})`, ask(rom))]),
    ...(architecture !== undefined && asks4011 && rom.transport === 'tftp'
      ? [
          describe(
            'what its firmware then asks on port 4011',
            answerPort4011(packet, rom, { ...environmentOf(rom), discoveredAs: architecture }),
          ),
        ]
      : []),
    describe('DISCOVER of its iPXE', ask(clientOf(facts, architecture, 'ipxe'))),
  ];
  const note =
    mode === 'server' && leases === undefined
      ? 'addresses as if nobody had a lease: without a daemon leases are not looked at'
      : undefined;
  return { mode, interface: via.name, answers, ...(note === undefined ? {} : { note }) };
}

function clientOf(
  facts: MachineFacts,
  architecture: FirmwareArchitecture | undefined,
  kind: 'rom' | 'ipxe',
): NetworkClient {
  return {
    mac: facts.mac,
    kind,
    transport: kind === 'rom' && architecture?.transport === 'http' ? 'http' : 'tftp',
    architecture,
    fetchesScripts: kind === 'ipxe',
    uuid: facts.uuid,
    reasons: [],
  };
}

function describe(asked: string, action: DhcpAction): DhcpExplanation['answers'][number] {
  return { asked, answer: action.kind === 'reply' ? describeReply(action) : '', reasons: action.reasons };
}

function makeDiscover({ mac, relay }: MachineFacts): DhcpPacket {
  const chaddr = new Uint8Array(16);
  chaddr.set(macToBytes(mac));
  return {
    op: BOOTREQUEST,
    htype: 1,
    hlen: 6,
    hops: 0,
    xid: 0,
    secs: 0,
    flags: 0,
    ciaddr: UNSPECIFIED,
    yiaddr: UNSPECIFIED,
    siaddr: UNSPECIFIED,
    giaddr: relay ?? UNSPECIFIED,
    chaddr,
    sname: '',
    file: '',
    options: new Map([[OPTION.messageType, encodeMessageType('discover')]]),
  };
}

const NOTHING_LEASED: AddressView = {
  leaseOf: () => undefined,
  offerOf: () => undefined,
  holderOf: () => undefined,
  freeAddress(ranges, isExcluded) {
    for (const { first, last } of ranges)
      for (let address = first; address <= last; address = (address + 1) as typeof first)
        if (!isExcluded(address)) return address;
    return undefined;
  },
};
