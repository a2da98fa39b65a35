import { formatIpv4, formatNetwork, type Ipv4, networkContains, UNSPECIFIED } from '../machine/ipv4.ts';
import { messageTypeOf, OPTION } from '../protocol/dhcp/option-codes.ts';
import { readIpv4 } from '../protocol/dhcp/option-values.ts';
import type { DhcpPacket } from '../protocol/dhcp/packet.ts';
import { type AddressAnswer, clientAddressOf } from './build-dhcp-reply.ts';
import { type AddressInput, answerRequest, chooseOffer, type RequestState } from './choose-address.ts';
import type { DhcpAction, ServerEnvironment, Trouble } from './dhcp-action.ts';
import type { NetworkClient } from './identify-client.ts';
import { offerBoot } from './offer-boot.ts';
import { chooseSubnet, type Subnet } from './subnet.ts';

interface Asked {
  readonly packet: DhcpPacket;
  readonly client: NetworkClient;
  readonly environment: ServerEnvironment;
  readonly subnet: Subnet;
  readonly reasons: readonly string[];
}

/**
 * Port 67 with addresses of our own (RFC 2131 4.3). Any client gets a lease unless `dhcp.knownOnly`; what it boots
 * is decided later, at `/ipxe`.
 */
export function answerServer(
  packet: DhcpPacket,
  client: NetworkClient,
  environment: ServerEnvironment,
): DhcpAction {
  const { subnets, catalog, knownOnly, via, interfaceAddresses } = environment;
  const type = messageTypeOf(packet);
  const { subnet, reason } = chooseSubnet(subnets, {
    giaddr: packet.giaddr,
    ciaddr: clientAddressOf(packet),
    via,
    interfaceAddresses,
  });
  if (subnet === undefined) return refuse([reason], { counter: 'no-subnet', text: reason });
  if (knownOnly && !catalog.machines.has(client.mac)) {
    return {
      kind: 'silent',
      outcome: 'ignored',
      reasons: ['dhcp.knownOnly, and machines.yaml does not list it'],
    };
  }
  const asked: Asked = {
    packet,
    client,
    environment: asServerOf(subnet, environment),
    subnet,
    reasons: [reason],
  };
  switch (type) {
    case 'discover':
      return answerDiscover(asked);
    case 'request':
      return answerRequestMessage(asked);
    case 'inform':
      return answerInform(asked);
    case 'decline':
      return withdraw(asked, 'decline', readIpv4(packet.options, OPTION.requestedAddress));
    case 'release':
      return withdraw(asked, 'release', packet.ciaddr === UNSPECIFIED ? undefined : packet.ciaddr);
    case undefined:
      return {
        kind: 'silent',
        outcome: 'ignored',
        reasons: ['BOOTP without a message type is not answered'],
      };
    case 'offer':
    case 'ack':
    case 'nak':
      return {
        kind: 'silent',
        outcome: 'ignored',
        reasons: [`a client does not send ${type.toUpperCase()}`],
      };
  }
}

/** Where the interface has several addresses, a machine is told the one of its own network. */
function asServerOf({ network }: Subnet, environment: ServerEnvironment): ServerEnvironment {
  const own = environment.interfaceAddresses.find(({ address }) => networkContains(network, address));
  // Most have one, and this is asked with each packet.
  if (own === undefined || (own.address === environment.serverAddress && own.url === environment.serverUrl))
    return environment;
  return { ...environment, serverAddress: own.address, serverUrl: own.url };
}

/** The server that the message is meant for, if that is not this interface by any of its addresses. */
function otherServer({ packet, environment }: Asked): Ipv4 | undefined {
  const selected = readIpv4(packet.options, OPTION.serverIdentifier);
  const isOurs = environment.interfaceAddresses.some(({ address }) => address === selected);
  return isOurs ? undefined : selected;
}

function answerDiscover(asked: Asked): DhcpAction {
  const requested = readIpv4(asked.packet.options, OPTION.requestedAddress);
  const decision = chooseOffer(addressInput(asked, requested));
  if (decision.kind !== 'give') {
    const text = `no address is free in ${formatNetwork(asked.subnet.network)}`;
    return refuse([...asked.reasons, ...decision.reasons], { counter: 'pool-exhausted', text });
  }
  const { reasons, ...boot } = bootPart(asked);
  return {
    kind: 'reply',
    type: 'offer',
    serverAddress: asked.environment.serverAddress,
    address: addressAnswer(asked, decision.address),
    ...boot,
    lease: { kind: 'offer', address: decision.address },
    reasons: [...decision.reasons, ...reasons],
  };
}

function answerRequestMessage(asked: Asked): DhcpAction {
  const { packet, subnet } = asked;
  const { serverAddress } = asked.environment;
  const requested = readIpv4(packet.options, OPTION.requestedAddress);
  const other = otherServer(asked);
  if (other !== undefined) {
    return {
      kind: 'silent',
      outcome: 'noted',
      ...(requested === undefined ? {} : { uses: requested }),
      reasons: [`it chose another DHCP server, ${formatIpv4(other)}`],
    };
  }
  const renewing = clientAddressOf(packet) !== UNSPECIFIED;
  const selecting = readIpv4(packet.options, OPTION.serverIdentifier) !== undefined;
  const state: RequestState = selecting ? 'selecting' : renewing ? 'renewing' : 'init-reboot';
  const decision = answerRequest(addressInput(asked, renewing ? packet.ciaddr : requested), state);
  const reasons = [`REQUEST, ${state}`, ...decision.reasons];
  switch (decision.kind) {
    case 'silent':
    case 'exhausted':
      return { kind: 'silent', outcome: 'ignored', reasons };
    case 'nak':
      return { kind: 'reply', type: 'nak', serverAddress, message: decision.reasons.at(-1) ?? 'no', reasons };
    case 'give': {
      const { reasons: bootReasons, ...boot } = bootPart(asked);
      return {
        kind: 'reply',
        type: 'ack',
        serverAddress,
        address: addressAnswer(asked, decision.address),
        ...boot,
        lease: {
          kind: 'bind',
          address: decision.address,
          leaseTime: subnet.leaseTime,
          ...(decision.unproven === undefined ? {} : { unproven: decision.unproven }),
        },
        reasons: [...reasons, ...bootReasons],
      };
    }
  }
}

/** RFC 2131 4.3.5: parameters, no lease. */
function answerInform(asked: Asked): DhcpAction {
  const { reasons, ...boot } = bootPart(asked);
  return {
    kind: 'reply',
    type: 'ack',
    serverAddress: asked.environment.serverAddress,
    address: addressAnswer(asked, UNSPECIFIED),
    ...boot,
    reasons: ['INFORM: parameters without a lease', ...reasons],
  };
}

/** DECLINE and RELEASE: believed only of the holder, so that nobody can free or block another machine's address. */
function withdraw(asked: Asked, kind: 'decline' | 'release', address: Ipv4 | undefined): DhcpAction {
  const { client, environment } = asked;
  const other = otherServer(asked);
  if (other !== undefined) {
    return { kind: 'silent', outcome: 'ignored', reasons: [`meant for ${formatIpv4(other)}`] };
  }
  if (address === undefined) return refuse([`${kind.toUpperCase()} without an address`]);
  const holder = environment.view.holderOf(address);
  if (holder === undefined || holder.mac !== client.mac || holder.state === 'declined') {
    return refuse([`${formatIpv4(address)} is not this machine's`]);
  }
  const why = kind === 'decline' ? 'somebody else answers on it: it rests for a while' : 'given back';
  return {
    kind: 'silent',
    outcome: 'noted',
    lease: { kind, address },
    reasons: [`${formatIpv4(address)}: ${why}`],
  };
}

function addressInput({ client, environment, subnet }: Asked, requested: Ipv4 | undefined): AddressInput {
  const { catalog, isExcluded, view, now, isLearning } = environment;
  const reservation = catalog.machines.get(client.mac)?.address;
  return { mac: client.mac, subnet, reservation, requested, isExcluded, view, now, isLearning };
}

function addressAnswer({ client, environment, subnet }: Asked, address: Ipv4): AddressAnswer {
  return { address, subnet, hostname: environment.catalog.machines.get(client.mac)?.hostname };
}

/** A machine that does not boot from the network, or has no loader, still gets its address. */
function bootPart({ client, environment }: Asked): ReturnType<typeof offerBoot> {
  if (client.kind === 'ordinary') return { reasons: client.reasons };
  return offerBoot(client, 'server', environment);
}

function refuse(reasons: readonly string[], trouble?: Trouble): DhcpAction {
  return { kind: 'silent', outcome: 'refused', ...(trouble === undefined ? {} : { trouble }), reasons };
}
