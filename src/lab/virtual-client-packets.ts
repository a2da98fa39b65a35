import { FIRMWARE_ARCHITECTURES, type FirmwareArchitecture } from '../machine/architecture.ts';
import { type Ipv4, UNSPECIFIED } from '../machine/ipv4.ts';
import { macToBytes } from '../machine/mac.ts';
import { encodePxeVendorOptions } from '../protocol/dhcp/option-43.ts';
import { encodeVendorClass } from '../protocol/dhcp/option-60.ts';
import { encodeRawUserClass } from '../protocol/dhcp/option-77.ts';
import { encodeClientArchitectures } from '../protocol/dhcp/option-93.ts';
import { encodeClientNetworkInterface } from '../protocol/dhcp/option-94.ts';
import { encodeClientUuid } from '../protocol/dhcp/option-97.ts';
import { encodeIpxeOptions } from '../protocol/dhcp/option-175.ts';
import { encodeMessageType, type MessageType, OPTION } from '../protocol/dhcp/option-codes.ts';
import { ipv4Value, uint16Value } from '../protocol/dhcp/option-values.ts';
import { BOOTREQUEST, encodeDhcpPacket } from '../protocol/dhcp/packet.ts';
import type { VirtualMachine } from './virtual-client-types.ts';

/** Who of the machine is asking: its ROM, the iPXE that the ROM loaded, the operating system. */
export type Persona = 'rom' | 'ipxe' | 'os';

const BROADCAST_FLAG = 0x8000;

/** EDK2's list (code: PxeBcBuildDhcp4Options). */
const ROM_PARAMETERS = [
  1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97, 128,
  129, 130, 131, 132, 133, 134, 135,
];
/** iPXE's list (code: dhcp_request_options_data). */
const IPXE_PARAMETERS = [
  1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203,
];
/** systemd-networkd's. */
const OS_PARAMETERS = [1, 3, 12, 15, 6, 33, 121, 42, 26];

export interface Ask {
  readonly type: Extract<MessageType, 'discover' | 'request'>;
  readonly xid: number;
  /** Seconds since this persona began. */
  readonly secs: number;
  /** In a REQUEST after an OFFER. */
  readonly requested?: Ipv4;
  readonly server?: Ipv4;
  /** Once the machine has an address: in a REQUEST to a proxy's port 4011. */
  readonly ciaddr?: Ipv4;
  /** Option 43 sub-option 71, where a boot menu makes the firmware ask for one item of it. */
  readonly bootItem?: Uint8Array;
}

/** A DISCOVER or REQUEST as this persona of the machine sends it. */
export function buildAsk(machine: VirtualMachine, persona: Persona, ask: Ask): Uint8Array {
  const chaddr = new Uint8Array(16);
  chaddr.set(macToBytes(machine.mac));
  return encodeDhcpPacket({
    op: BOOTREQUEST,
    htype: 1,
    hlen: 6,
    hops: 0,
    xid: ask.xid,
    secs: ask.secs,
    // EDK2 sets it; iPXE does not, but a virtual machine shares a card that has another MAC: a unicast to its own
    // would not be heard.
    flags: BROADCAST_FLAG,
    ciaddr: ask.ciaddr ?? UNSPECIFIED,
    yiaddr: UNSPECIFIED,
    siaddr: UNSPECIFIED,
    giaddr: UNSPECIFIED,
    chaddr,
    sname: '',
    file: '',
    options: buildOptions(machine, persona, ask),
  });
}

function buildOptions(machine: VirtualMachine, persona: Persona, ask: Ask): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  options.set(OPTION.messageType, encodeMessageType(ask.type));
  options.set(OPTION.maximumMessageSize, uint16Value(1472));
  if (ask.requested !== undefined) options.set(OPTION.requestedAddress, ipv4Value(ask.requested));
  if (ask.server !== undefined) options.set(OPTION.serverIdentifier, ipv4Value(ask.server));
  if (ask.bootItem !== undefined) {
    options.set(OPTION.vendorSpecific, encodePxeVendorOptions({ bootItem: ask.bootItem }));
  }
  switch (persona) {
    case 'rom':
      options.set(OPTION.parameterRequestList, Uint8Array.from(ROM_PARAMETERS));
      addFirmwareIdentity(options, machine, machine.architecture, { major: 3, minor: 16 });
      break;
    case 'ipxe': {
      const architecture = ipxeArchitecture(machine.architecture);
      options.set(OPTION.parameterRequestList, Uint8Array.from(IPXE_PARAMETERS));
      addFirmwareIdentity(options, machine, architecture, { major: 3, minor: 10 });
      options.set(OPTION.clientIdentifier, Uint8Array.of(1, ...macToBytes(machine.mac)));
      options.set(OPTION.userClass, encodeRawUserClass('iPXE'));
      options.set(OPTION.ipxe, encodeIpxeOptions(ipxeSelf(architecture)));
      break;
    }
    case 'os':
      options.set(OPTION.parameterRequestList, Uint8Array.from(OS_PARAMETERS));
      options.set(OPTION.clientIdentifier, operatingSystemClientId(machine));
      break;
  }
  return options;
}

function addFirmwareIdentity(
  options: Map<number, Uint8Array>,
  machine: VirtualMachine,
  architecture: FirmwareArchitecture,
  undi: { readonly major: number; readonly minor: number },
): void {
  const http = architecture.transport === 'http';
  const version = http ? { major: 3, minor: 1 } : undi;
  const kind = http ? 'HTTPClient' : 'PXEClient';
  options.set(
    OPTION.vendorClass,
    encodeVendorClass({ kind, architecture: architecture.code, undi: version }),
  );
  options.set(OPTION.clientArchitecture, encodeClientArchitectures([architecture.code]));
  options.set(OPTION.clientNetworkInterface, encodeClientNetworkInterface(version));
  options.set(OPTION.clientUuid, encodeClientUuid(machine.uuid));
}

/** An iPXE that was loaded over HTTP says the same architecture as one that came over TFTP. */
export function ipxeArchitecture(loadedBy: FirmwareArchitecture): FirmwareArchitecture {
  return (
    FIRMWARE_ARCHITECTURES.find(
      (other) =>
        other.transport === 'tftp' && other.arch === loadedBy.arch && other.firmware === loadedBy.firmware,
    ) ?? loadedBy
  );
}

/** Debian's iPXE 1.21.1 on a virtio card. */
function ipxeSelf(architecture: FirmwareArchitecture): Parameters<typeof encodeIpxeOptions>[0] {
  const platform = architecture.firmware === 'uefi' ? ['efi'] : ['bzimage', 'pxe', 'elf'];
  return {
    busId: { type: 1, vendor: 0x1af4, device: 0x1000 },
    version: '1.21.1',
    features: ['http', 'https', 'iscsi', 'tftp', 'dns', 'menu', ...platform],
  };
}

/** RFC 4361 as systemd-networkd sends it: type 255, an interface's id, a DUID-EN: not what ROM and iPXE send. */
function operatingSystemClientId(machine: VirtualMachine): Uint8Array {
  const interfaceId = macToBytes(machine.mac).subarray(2);
  const machineId = encodeClientUuid(machine.uuid).subarray(1, 9);
  return Uint8Array.of(255, ...interfaceId, 0, 2, 0, 0, 0xab, 0x11, ...machineId);
}
