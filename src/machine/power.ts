import type { Ipv4 } from './ipv4.ts';

export const POWER_KINDS = ['wake-on-lan', 'redfish', 'ipmitool'] as const;
export type PowerKind = (typeof POWER_KINDS)[number];

export const POWER_ACTIONS = ['on', 'off', 'cycle', 'status'] as const;
export type PowerAction = (typeof POWER_ACTIONS)[number];

export interface WakeOnLan {
  readonly kind: 'wake-on-lan';
  /** The provisioning interface that it is sent from; absent: that on which the machine was heard, else all. */
  readonly interface?: string;
  /** Absent: the limited broadcast. */
  readonly broadcast?: Ipv4;
}

export interface Redfish {
  readonly kind: 'redfish';
  /** `https://10.77.1.5`, without a path. */
  readonly url: string;
  readonly user: string;
  /** Absolute. */
  readonly passwordFile: string;
  /** The Id of the system behind this controller; absent: it has one only. */
  readonly system?: string;
  /** Absolute path of the authority that its certificate is from; absent: one that everybody trusts. */
  readonly ca?: string;
  /** Its certificate is not looked at. */
  readonly insecure?: true;
}

export interface Ipmitool {
  readonly kind: 'ipmitool';
  /** An address or a name. */
  readonly address: string;
  readonly user: string;
  /** Absolute. */
  readonly passwordFile: string;
  readonly interface: 'lanplus' | 'lan';
}

/** How a machine is turned on and off: `power:` of its entry. Holds no secret, only where one lies. */
export type PowerSettings = WakeOnLan | Redfish | Ipmitool;
