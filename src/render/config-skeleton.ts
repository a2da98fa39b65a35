import type { TemplateContext } from './context.ts';

/**
 * Parsing a rendered configuration back takes a hundred times as long as rendering it, and the configurations of a
 * rack differ in a few values of known form only. So the verdict on one stands for all that have the same skeleton:
 * the text with those values taken out, and what YAML and the checks could tell two of their values apart by.
 *
 * Undefined where a value has not the plain form that it should: then the text is parsed.
 */
export function skeletonOf(body: string, context: TemplateContext): string | undefined {
  const { machine, configUrl, reportUrl, bootId, identity } = context;
  // A skeleton is kept: nothing secret may be in one.
  if (identity.serviceAccounts.privateKey !== '' || identity.certificates.some(({ key }) => key !== '')) {
    return undefined;
  }
  if (body.includes(MARK)) return undefined;
  // That of nocloud is a folder's.
  if (!PLAIN_URL.test(configUrl.replace(/\/$/, '')) || !PLAIN_URL.test(reportUrl)) return undefined;
  if (!BOOT_ID.test(bootId)) return undefined;
  if (!MAC.test(machine.mac) || !HOSTNAME.test(machine.hostname)) return undefined;
  if (machine.uuid !== '' && !UUID.test(machine.uuid)) return undefined;
  if (machine.address !== '' && !ADDRESS.test(machine.address)) return undefined;

  // All URLs of a session begin alike, those of signing requests too.
  const sessionUrl = reportUrl.slice(0, reportUrl.lastIndexOf('/') + 1);
  if (!configUrl.startsWith(sessionUrl)) return undefined;
  let skeleton = body.replaceAll(sessionUrl, `${MARK}s`).replaceAll(bootId, `${MARK}b`);
  if (machine.uuid !== '') skeleton = skeleton.replaceAll(machine.uuid, `${MARK}u`);
  skeleton = skeleton.replaceAll(machine.mac, `${MARK}m`);
  if (machine.address !== '') skeleton = skeleton.replaceAll(machine.address, `${MARK}a`);
  skeleton = skeleton.replaceAll(machine.hostname, `${MARK}h`);
  // A name's length is bounded where it is part of a hostname.
  return `${numberClass(machine.mac)}${machine.hostname.length}${MARK}${skeleton}`;
}

/**
 * YAML 1.1 takes digits with colons between them for a number of base 60, if those after the first colon are below
 * 60; those before it count as well where something else stands in front.
 */
export function numberClass(mac: string): 'everywhere' | 'alone' | 'nowhere' {
  if (!/^\d\d(:[0-5]\d){5}$/.test(mac)) return 'nowhere';
  return /^[0-5]/.test(mac) ? 'everywhere' : 'alone';
}

/** Cannot stand in YAML. */
const MARK = '\u0000';
/** All of them text to YAML wherever they stand alone, and without a character that ends or begins anything. */
export const PLAIN_URL = /^https?:\/\/[A-Za-z0-9.:/_-]*[A-Za-z0-9]$/;
export const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
/** A letter in front and hyphens inside: text wherever it stands. */
export const BOOT_ID = /^i-[0-9a-f]{12}-[a-z0-9]+$/;
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
export const ADDRESS = /^\d{1,3}(\.\d{1,3}){3}$/;
/** With a hyphen inside and two letters in front it is no number, truth value or date, nor with digits before it. */
export const HOSTNAME = /^[a-z]{2}[a-z0-9]*-[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$/;

/** Skeletons that passed. Bounded: a template that writes a machine's serial number has a new one for each machine. */
export interface SkeletonMemory {
  has(skeleton: string): boolean;
  add(skeleton: string): void;
}

const REMEMBERED = 64;

export function createSkeletonMemory(): SkeletonMemory {
  const known = new Set<string>();
  return {
    has: (skeleton) => known.has(skeleton),
    add: (skeleton) => {
      const [oldest] = known;
      if (known.size >= REMEMBERED && oldest !== undefined) known.delete(oldest);
      known.add(skeleton);
    },
  };
}
