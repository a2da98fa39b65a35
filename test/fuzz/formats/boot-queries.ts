import { parse } from 'node:querystring';
import { bytesOf, TEXT_MUTATORS, textOf } from '../engine/mutate-text.ts';
import type { Random } from '../engine/random.ts';
import type { Mutator } from '../engine/target.ts';

const NAMES = [
  'mac',
  'uuid',
  'serial',
  'asset',
  'arch',
  'platform',
  'manufacturer',
  'product',
  'choice',
  'hardware',
  'region',
  'rack',
  'a.b-c_d',
  '__proto__',
  'constructor',
  'toString',
  'cpu',
  'cpu-smbios',
  'memsize',
  'ram',
  'ram1',
  'ram-wide',
  'bios-vendor',
  'bios-version',
  'bios-date',
  'board-vendor',
  'board',
  'chip',
  'busid',
  'secureboot',
];
const VALUES = [
  '52:54:00:12:34:56',
  '52-54-00-12-34-56',
  '525400123456',
  '52:54:00:12:34:5',
  '0b2c7ed1-1f8e-4f60-9d75-2b7f0d2a8f11',
  'x86_64',
  'i386',
  'arm64',
  'loong64',
  'pcbios',
  'efi',
  'worker',
  'west',
  'r7',
  'To Be Filled By O.E.M.',
  '0',
  '4096',
  '0000000000000000ffffffff',
  '01',
  '00',
  '${net0/ip}',
  '{{machine.mac}}',
  "'; reboot; '",
  '"\n- x: y',
  'a || b && c ; d',
  '#cloud-config',
  '\u202e',
  '\u001b[31m',
  '%n',
  '$x',
  'x'.repeat(257),
  '-',
  '--help',
  '~root',
  ': ',
  '&',
  '*a',
  '!x',
  '..',
  '\u2028',
];

const encode = encodeURIComponent;
const pair = (random: Random): string => `${encode(random.pick(NAMES))}=${encode(random.pick(VALUES))}`;

const onPairs =
  (change: (pairs: string[], random: Random) => void): Mutator =>
  (input, random) => {
    const pairs = textOf(input).split('&');
    change(pairs, random);
    return bytesOf(pairs.join('&'));
  };

/** Changes of the query of `GET /ipxe`. */
export const QUERY_MUTATORS: readonly Mutator[] = [
  onPairs((pairs, random) => void pairs.push(pair(random))),
  onPairs((pairs, random) => void pairs.splice(random.below(pairs.length), 1, pair(random))),
  onPairs((pairs, random) => void pairs.splice(random.below(pairs.length), 1)),
  onPairs((pairs, random) => {
    const at = random.below(pairs.length);
    const [name = ''] = (pairs[at] ?? '').split('=', 1);
    pairs[at] = `${name}=${encode(random.pick(VALUES))}`;
  }),
  onPairs((pairs, random) => {
    const at = random.below(pairs.length);
    const [name = '', value = ''] = (pairs[at] ?? '').split('=', 2);
    const place = random.below(value.length + 1);
    pairs[at] = `${name}=${value.slice(0, place)}${encode(random.pick(VALUES))}${value.slice(place)}`;
  }),
  ...TEXT_MUTATORS.slice(-4),
];

export const QUERY_SEEDS = [
  'mac=52:54:00:12:34:56&uuid=0b2c7ed1-1f8e-4f60-9d75-2b7f0d2a8f11&serial=S1&asset=A%201&arch=x86_64&platform=efi&manufacturer=QEMU&product=Standard%20PC',
  'mac=52:54:00:12:34:56&arch=i386&platform=pcbios&choice=worker&region=west&rack=r7',
  'mac=52:54:00:12:34:56&cpu=Xeon&memsize=4096&ram=00000000003fffff&bios-vendor=EDK%20II&bios-date=01/02/2026&board=x&chip=virtio&busid=01af41000&secureboot=01&platform=efi',
  'mac=nothing',
  '',
];

/** As the HTTP server reads it: what is given more than once is a list. */
export function queryOf(input: Uint8Array): Readonly<Record<string, unknown>> {
  return { ...parse(textOf(input), '&', '=', { maxKeys: 200 }) };
}
