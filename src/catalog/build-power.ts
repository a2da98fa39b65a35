import { parseIpv4 } from '../machine/ipv4.ts';
import type { PowerKind, PowerSettings } from '../machine/power.ts';
import type { RawPower } from './power-schema.ts';

type Key = Exclude<keyof RawPower, 'kind'>;

interface Keys {
  readonly required: readonly Key[];
  readonly optional: readonly Key[];
}

const KEYS: Readonly<Record<PowerKind, Keys>> = {
  'wake-on-lan': { required: [], optional: ['interface', 'broadcast'] },
  redfish: { required: ['url', 'user', 'passwordFile'], optional: ['system', 'ca', 'insecure'] },
  ipmitool: { required: ['address', 'user', 'passwordFile'], optional: ['interface'] },
};

/** `power:` of a machine, each key where its kind knows it. `report` is told of a key, or of the whole without one. */
export function buildPower(
  raw: RawPower,
  report: (key: Key | undefined, message: string) => void,
): PowerSettings | undefined {
  const { kind } = raw;
  const { required, optional } = KEYS[kind];
  const known = [...required, ...optional];
  let isSound = true;
  const refuse = (key: Key | undefined, message: string): void => {
    isSound = false;
    report(key, message);
  };
  for (const key of Object.keys(raw) as (keyof RawPower)[]) {
    if (key === 'kind' || known.includes(key)) continue;
    refuse(key, `"${key}" is no key of power by ${kind}; allowed: kind, ${known.join(', ')}`);
  }
  for (const key of required)
    if (raw[key] === undefined) refuse(undefined, `power by ${kind}: the key "${key}" is missing`);
  if (kind === 'ipmitool' && !['lanplus', 'lan', undefined].includes(raw.interface))
    refuse('interface', `power by ipmitool: expected one of lanplus, lan; got "${raw.interface}"`);
  if (raw.ca !== undefined && raw.insecure === true)
    refuse('ca', '"ca" is of no use with insecure: true; leave one of them out');
  return isSound ? settingsOf(raw) : undefined;
}

function settingsOf(raw: RawPower): PowerSettings {
  const { kind, user = '', passwordFile = '' } = raw;
  switch (kind) {
    case 'wake-on-lan': {
      const broadcast = parseIpv4(raw.broadcast ?? '');
      return {
        kind,
        ...(raw.interface === undefined ? {} : { interface: raw.interface }),
        ...(broadcast === undefined ? {} : { broadcast }),
      };
    }
    case 'redfish':
      return {
        kind,
        url: (raw.url ?? '').replace(/\/$/, ''),
        user,
        passwordFile,
        ...(raw.system === undefined ? {} : { system: raw.system }),
        ...(raw.ca === undefined ? {} : { ca: raw.ca }),
        ...(raw.insecure === true ? { insecure: true } : {}),
      };
    case 'ipmitool':
      return {
        kind,
        address: raw.address ?? '',
        user,
        passwordFile,
        interface: raw.interface === 'lan' ? 'lan' : 'lanplus',
      };
  }
}
