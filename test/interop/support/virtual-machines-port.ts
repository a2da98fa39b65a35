import type { SimulationResult } from '../../../src/lab/virtual-client.ts';

export interface MachinesOrder {
  readonly interface: string;
  readonly count: number;
  /** As a number; the others follow. */
  readonly firstMac: number;
  readonly arch: string;
  readonly until: 'loader' | 'script' | 'config' | 'report';
  /** Give the interface each address that a machine gets. */
  readonly ownAddresses?: boolean;
  /** Factor on firmware's waits. */
  readonly pace?: number;
  /** Milliseconds between two power buttons. */
  readonly stagger?: number;
  /** How often a machine that is told to wait asks for its script. */
  readonly questions?: number;
  /** Milliseconds, of one attempt. */
  readonly timeout?: number;
  /** A machine that did not get through is switched off and on, so often in all; 1. */
  readonly attempts?: number;
}

export interface MachineOutcome extends Omit<SimulationResult, 'addresses' | 'packets'> {
  readonly mac: string;
  /** From 1. Each has a line of its own. */
  readonly attempt: number;
  /** Dotted; '' where it never had one. */
  readonly addresses: { readonly rom: string; readonly ipxe: string; readonly os: string };
}
