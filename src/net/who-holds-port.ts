import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Ipv4 } from '../machine/ipv4.ts';

/** A process that has a port. `pid` is undefined where its descriptors may not be read (it is not ours to see). */
export interface PortHolder {
  readonly pid?: number;
  /** The program's name: at most 15 characters, as the kernel keeps it. */
  readonly command?: string;
}

const TCP_LISTEN = '0A';

/** Who has a UDP port on this address (or on all of them), in this process's network namespace. Never throws. */
export function whoHoldsUdpPort(
  port: number,
  address?: Ipv4,
  proc = '/proc',
): Promise<readonly PortHolder[]> {
  return whoHoldsPort(['udp', 'udp6'], port, address, proc, () => true);
}

/** Who listens on a TCP port. Never throws. */
export function whoHoldsTcpPort(
  port: number,
  address?: Ipv4,
  proc = '/proc',
): Promise<readonly PortHolder[]> {
  return whoHoldsPort(['tcp', 'tcp6'], port, address, proc, (state) => state === TCP_LISTEN);
}

/**
 * `dnsmasq (pid 123)`, several joined by `and`; undefined if nobody is known by name. `self` has the port on another
 * interface, and is named only where nobody else is.
 */
export function describeHolders(holders: readonly PortHolder[], self = process.pid): string | undefined {
  const named = holders.filter((holder) => holder.pid !== undefined);
  if (named.length === 0) return undefined;
  const others = named.filter(({ pid }) => pid !== self);
  return (others.length === 0 ? named : others)
    .map(({ pid, command }) => `${command ?? 'a program'} (pid ${pid})`)
    .join(' and ');
}

async function whoHoldsPort(
  tables: readonly string[],
  port: number,
  address: Ipv4 | undefined,
  proc: string,
  stateMatters: (state: string) => boolean,
): Promise<readonly PortHolder[]> {
  const inodes = new Set<string>();
  for (const table of tables) {
    const text = await readFile(`${proc}/self/net/${table}`, 'latin1').catch(() => '');
    for (const socket of parseSocketTable(text)) {
      const overlaps = address === undefined || socket.address === undefined || socket.address === address;
      if (socket.port === port && overlaps && stateMatters(socket.state)) inodes.add(socket.inode);
    }
  }
  if (inodes.size === 0) return [];
  const holders = await findProcesses(inodes, proc);
  return holders.length > 0 ? holders : [{}];
}

interface SocketLine {
  /** Undefined for a socket on all addresses. */
  readonly address?: Ipv4;
  readonly port: number;
  readonly state: string;
  readonly inode: string;
}

/** /proc/net/{udp,tcp}{,6}: `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …` (proc(5)). */
function* parseSocketTable(text: string): Generator<SocketLine> {
  for (const line of text.split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/);
    const [, local, , state] = columns;
    const inode = columns[9];
    const [addressText, portText] = local?.split(':') ?? [];
    if (addressText === undefined || portText === undefined || state === undefined || inode === undefined)
      continue;
    const place = { port: Number.parseInt(portText, 16), state, inode };
    // An IPv6 socket may hold the port for IPv4 too; its address says nothing of that.
    if (addressText.length !== 8 || addressText === '00000000') yield place;
    else yield { ...place, address: hostOrderAddress(addressText) };
  }
}

/** The kernel prints the 32 bits in the host's byte order; every platform with Debian packages of Node is little-endian. */
function hostOrderAddress(hex: string): Ipv4 {
  return Buffer.from(hex, 'hex').readUInt32LE() as Ipv4;
}

async function findProcesses(inodes: ReadonlySet<string>, proc: string): Promise<readonly PortHolder[]> {
  const wanted = new Set([...inodes].map((inode) => `socket:[${inode}]`));
  const holders: PortHolder[] = [];
  for (const name of await readdir(proc).catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    const descriptors = await readdir(`${proc}/${name}/fd`).catch(() => []);
    const links = await Promise.all(
      descriptors.map((fd) => readlink(`${proc}/${name}/fd/${fd}`).catch(() => '')),
    );
    if (!links.some((link) => wanted.has(link))) continue;
    const command = await programName(`${proc}/${name}`);
    holders.push({ pid: Number(name), ...(command !== '' && { command }) });
  }
  return holders;
}

/** Node calls its first thread MainThread, and the kernel then says that; the executable's name says more. */
async function programName(folder: string): Promise<string> {
  const command = (await readFile(`${folder}/comm`, 'utf8').catch(() => '')).trim();
  if (command !== 'MainThread') return command;
  return basename(await readlink(`${folder}/exe`).catch(() => command));
}
