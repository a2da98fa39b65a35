import { IPXE_HARDWARE_SETTINGS } from '../boot/ipxe-hardware.ts';
import type { Labels, MachineFacts } from '../machine/facts.ts';
import { formatIpv4 } from '../machine/ipv4.ts';
import type { TemplateContext } from './context.ts';

/** Seconds that a failed boot stays on screen before the machine asks again. */
export const FAILED_SECONDS = 15;

/**
 * The last lines of a script: wait, ask for a new one, for ever. The question is put together by iPXE from its own
 * settings, so that nothing a machine says of itself stands in a script but its labels, percent-encoded.
 */
export function askAgain(
  url: string,
  arch: TemplateContext['machine']['arch'],
  seconds: number,
  labels: Labels | undefined,
  choice?: string,
): readonly string[] {
  const more = [...labelQuery(choice === undefined ? undefined : { choice }), ...labelQuery(labels)];
  return [
    // The bootstrap script, if it ran, has found out the architecture already.
    ...(arch === '' ? [] : [`isset \${arch} || set arch ${IPXE_ARCH[arch] ?? arch}`]),
    `:again`,
    `echo Tinderbox: asking again in ${seconds} s`,
    `sleep ${seconds} ||`,
    `isset \${netX/ip} || dhcp ||`,
    `chain --replace --autofree ${askUrl(url, more)} ||`,
    `echo Tinderbox: no script from ${url}, error \${errno}`,
    `goto again`,
  ];
}

/** iPXE's words (`${buildarch}`) where they differ from ours. */
const IPXE_ARCH: { readonly [arch: string]: string } = { x86: 'i386', loongarch64: 'loong64' };

/** `netX` is the interface that was opened last: the one that has the address. `more`: `name=value` each. */
export function askUrl(url: string, more: readonly string[] = []): string {
  const query = [
    'mac=${netX/mac:hexhyp}',
    ...more,
    'uuid=${uuid}',
    'serial=${serial:uristring}',
    'asset=${asset:uristring}',
    'arch=${arch}',
    'platform=${platform}',
    'manufacturer=${manufacturer:uristring}',
    'product=${product:uristring}',
    'hardware=ipxe',
    ...IPXE_HARDWARE_SETTINGS.map(([name, setting]) => `${name}=\${${setting}}`),
  ];
  return `${url}/ipxe?${query.join('&')}`;
}

export function script(lines: readonly string[]): string {
  return ['#!ipxe', ...lines, ''].join('\n');
}

/** `name=value` each, with nothing in it that iPXE would act on. */
export function labelQuery(labels: Labels | undefined): readonly string[] {
  return Object.entries(labels ?? {}).map((pair) => pair.map(encodeURIComponent).join('='));
}

/** Who a machine is, for its own screen: what is known of it, as `MAC 52:54:00:12:34:56`. */
export function whoLines({ mac, manufacturer, product, serial, address }: MachineFacts): readonly string[] {
  const who: readonly (readonly [string, string | undefined])[] = [
    ['MAC', mac],
    ['manufacturer', manufacturer],
    ['product', product],
    ['serial', serial],
    ['address', address === undefined ? undefined : formatIpv4(address)],
  ];
  return who.flatMap(([name, value = '']) => (value.trim() === '' ? [] : [`${name} ${value}`]));
}
