import { readFile } from 'node:fs/promises';
import type { Ipv4 } from '../machine/ipv4.ts';
import { parseIpv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import { parseMac } from '../machine/mac.ts';

export interface ArpEntry {
  readonly address: Ipv4;
  readonly mac: Mac;
  readonly device: string;
}

const ATF_COM = 0x02;

/**
 * The kernel's neighbours of this network namespace: who recently used which address on the wire. A proxy never
 * learns leases, so this tells whose an address is. Empty where it cannot be read.
 */
export async function readArpTable(path = '/proc/self/net/arp'): Promise<readonly ArpEntry[]> {
  return parseArpTable(await readFile(path, 'latin1').catch(() => ''));
}

/** `IP address  HW type  Flags  HW address  Mask  Device` (proc(5)); entries still being asked for are left out. */
export function parseArpTable(text: string): readonly ArpEntry[] {
  return text.split('\n').flatMap((line) => {
    const [addressText = '', , flags, macText = '', , device = ''] = line.trim().split(/\s+/);
    const address = parseIpv4(addressText);
    const mac = parseMac(macText);
    const complete = (Number(flags) & ATF_COM) !== 0;
    return address === undefined || mac === undefined || !complete ? [] : [{ address, mac, device }];
  });
}
