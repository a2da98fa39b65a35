import type { Labels, MachineFacts } from '../machine/facts.ts';
import { formatIpv4 } from '../machine/ipv4.ts';
import type { Role } from '../machine/role.ts';
import type { BootContext } from '../render/context.ts';
import type { GrubPlace, GrubTransport } from '../render/grub-text.ts';
import type { BootRequest, RouteDeps } from './answer.ts';
import type { ScriptLoader, ServerPlace } from './port.ts';

/** The answers to a machine that asks what to boot, in the language of its loader. */
export interface ScriptLanguage {
  readonly loader: ScriptLoader;
  /** Throws as the renderer does. */
  readonly boot: (input: {
    readonly role: Role;
    readonly context: BootContext;
    readonly hostname: string;
  }) => string;
  readonly wait: (input: {
    readonly message: string;
    readonly facts: MachineFacts;
    readonly seconds: number;
    /** Who it is stands on its screen already. */
    readonly isBrief?: boolean;
    /** From a menu: it asks again with it. */
    readonly choice?: string | undefined;
  }) => string;
  readonly refusal: (input: {
    readonly message: string;
    readonly seconds: number;
    /** It asks again with them. */
    readonly labels?: Labels | undefined;
  }) => string;
}

export function ipxeLanguage(
  { renderer }: Pick<RouteDeps, 'renderer'>,
  { server: { url } }: Pick<BootRequest, 'server'>,
): ScriptLanguage {
  return {
    loader: 'ipxe',
    boot: (input) => renderer.machineScript(input),
    wait: (input) => renderer.waitScript({ url, ...input }),
    refusal: (input) => renderer.refusalScript({ url, ...input }),
  };
}

export function grubLanguage(
  { grub }: Pick<RouteDeps, 'grub'>,
  { server }: Pick<BootRequest, 'server'>,
  transport: GrubTransport,
): ScriptLanguage {
  const place = grubPlace(server);
  return {
    loader: transport === 'http' ? 'grub-http' : 'grub-tftp',
    boot: (input) => grub.machineScript({ ...input, transport }),
    wait: (input) => grub.waitScript({ place, transport, ...input }),
    refusal: (input) => grub.refusalScript({ place, ...input }),
  };
}

export function grubPlace({ url, address }: ServerPlace): GrubPlace {
  return { url, address: formatIpv4(address) };
}
