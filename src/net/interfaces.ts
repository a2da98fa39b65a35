import { readdir, readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { TinderboxError } from '../errors.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import { parseIpv4 } from '../machine/ipv4.ts';
import type { InterfaceAddress, Libc } from './libc.ts';
import { loadLibc } from './libc.ts';
import type { NetworkInterface } from './port.ts';

const IFF_UP = 1;

/**
 * Every network interface, also those that have no address or no carrier. Asked of the C library, since
 * `os.networkInterfaces()` leaves out what is not running: a switch that is powered on after this host would
 * otherwise hide the provisioning interface at start. Where the C library cannot be called, Node and sysfs are asked.
 */
export async function readInterfaces(): Promise<readonly NetworkInterface[]> {
  let libc: Libc;
  try {
    libc = loadLibc();
  } catch {
    return readInterfacesFromSysfs();
  }
  const entries = libc.interfaceAddresses();
  return [...new Set(entries.map((entry) => entry.name))].map((name) => {
    const own = entries.filter((entry) => entry.name === name);
    return {
      name,
      addresses: own.flatMap(({ address, netmask }) =>
        address === undefined ? [] : [{ address, prefix: prefixOf(netmask ?? (0xffffffff as Ipv4)) }],
      ),
      mtu: libc.interfaceMtu(name) ?? 1500,
      up: own.some((entry) => entry.up),
      carrier: own.some((entry) => entry.carrier),
      ...deviceOf(own),
    };
  });
}

function deviceOf(entries: readonly InterfaceAddress[]): Pick<NetworkInterface, 'index' | 'mac'> {
  const device = entries.find((entry) => entry.device !== undefined)?.device;
  if (device === undefined) return {};
  const mac = [...device.hardwareAddress].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  return { index: device.index, ...(isMac(mac) && { mac }) };
}

/** Not that of `lo`, which is all zeros, nor of a tunnel, which has other ones. */
function isMac(text: string): boolean {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(text) && text !== '00:00:00:00:00:00';
}

/** Without koffi: what Node and /sys/class/net tell; addresses of interfaces without carrier are missing. */
export async function readInterfacesFromSysfs(
  folder = '/sys/class/net',
): Promise<readonly NetworkInterface[]> {
  const known = networkInterfaces();
  const listed = await readdir(folder).catch(() => []);
  const names = [...new Set([...listed, ...Object.keys(known)])];
  return Promise.all(
    names.map(async (name) => {
      const flags = await readNumber(`${folder}/${name}/flags`);
      const mtu = await readNumber(`${folder}/${name}/mtu`);
      const index = await readNumber(`${folder}/${name}/ifindex`);
      // It cannot be read of an interface that is down.
      const carrier = await readNumber(`${folder}/${name}/carrier`);
      const mac = await readText(`${folder}/${name}/address`);
      return {
        name,
        addresses: (known[name] ?? []).flatMap((entry) => {
          const address = parseIpv4(entry.address);
          const mask = parseIpv4(entry.netmask);
          return address === undefined || mask === undefined ? [] : [{ address, prefix: prefixOf(mask) }];
        }),
        mtu: mtu ?? 1500,
        up: flags === undefined ? known[name] !== undefined : (flags & IFF_UP) !== 0,
        ...(index !== undefined && { index, carrier: carrier === 1 }),
        ...(mac !== undefined && isMac(mac) && { mac }),
      };
    }),
  );
}

/** Throws TinderboxError `not-found`, naming the interfaces that there are. */
export async function findInterface(name: string): Promise<NetworkInterface> {
  const all = await readInterfaces();
  const found = all.find((entry) => entry.name === name);
  if (found !== undefined) return found;
  const { message, remedy } = missingInterface(name, all);
  throw new TinderboxError('not-found', message, { remedy });
}

/** What to say of an interface that is not among `all`. */
export function missingInterface(
  name: string,
  all: readonly Pick<NetworkInterface, 'name'>[],
): { readonly message: string; readonly remedy: string } {
  const others = all.map((entry) => entry.name).filter((other) => other !== 'lo');
  return {
    message: `there is no network interface ${name}`,
    remedy: `Set network.interface to one of this host's interfaces: ${others.join(', ') || '(it has none besides lo)'}.`,
  };
}

function prefixOf(mask: Ipv4): number {
  // The ones of a netmask are all on the left.
  return Math.clz32(~mask);
}

/** Decimal, or hexadecimal with 0x; undefined if there is no such file. */
async function readNumber(path: string): Promise<number | undefined> {
  const text = await readText(path);
  return text === undefined ? undefined : Number(text);
}

async function readText(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text?.trim();
}
