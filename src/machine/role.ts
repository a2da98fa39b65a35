import type { MachineArch } from './architecture.ts';
import type { Labels } from './facts.ts';
import type { Credentials, Identity } from './identity.ts';
import type { Ipv4, Ipv4Network } from './ipv4.ts';
import type { Mac } from './mac.ts';
import type { PowerSettings } from './power.ts';
import type { StageTimes } from './stage.ts';

/** Values a template may use; what YAML can hold. */
export type ParameterValue =
  | string
  | number
  | boolean
  | null
  | readonly ParameterValue[]
  | { readonly [key: string]: ParameterValue };
export type Parameters = { readonly [key: string]: ParameterValue };

/**
 * What an operating system reads at first boot. cloud-config: coreos-cloudinit; nocloud: cloud-init's datasource of that
 * name; ignition: its JSON, version 3; raw: any text (preseed, kickstart, autoinstall, a Talos machine config).
 */
export const CONFIG_FORMATS = ['cloud-config', 'nocloud', 'ignition', 'raw'] as const;
export type ConfigFormat = (typeof CONFIG_FORMATS)[number];

/** A template's text with where it came from, for error messages. */
export interface TemplateSource {
  readonly file: string;
  readonly text: string;
  /** Line of `text`'s first line in `file`; 1 for a whole file, more for a string inside role.yaml. */
  readonly line: number;
  /** Column of `text`'s first character in `file`; absent: 1. */
  readonly column?: number;
}

/** What the operating system fetches. */
export interface RoleConfig {
  readonly format: ConfigFormat;
  /** The main document: the cloud-config, nocloud's user-data, the Ignition config, the raw text. */
  readonly template: TemplateSource;
  /** `template` is a neutral description, which is converted to `format`. */
  readonly isDescription?: true;
  /** What is served beside it, by name: nocloud's meta-data, vendor-data and network-config; any of a raw one. */
  readonly files?: ReadonlyMap<string, TemplateSource>;
  /** Of a raw main document; absent: text/plain. */
  readonly contentType?: string;
}

/** What a role's kernel is started with. */
export interface KernelBoot {
  readonly kind: 'kernel';
  /** Each is a template that renders to an absolute path (`/assets/…`) or an absolute http URL. */
  readonly kernel: TemplateSource;
  readonly initrd: readonly TemplateSource[];
  /** One template a kernel argument. */
  readonly cmdline: readonly TemplateSource[];
  /** Nothing is heard of it once it runs (memtest): its session ends with the script. */
  readonly handsOver?: true;
}

export interface MenuChoice {
  readonly role: string;
  /** Printable ASCII, as the title: firmware has no other letters. */
  readonly label: string;
  /** What a person may press for it. */
  readonly key?: string;
  /** Line of the choice in role.yaml. */
  readonly line: number;
}

/** What a person at the machine's console chooses from, for this one boot. A loader's language is the renderers'. */
export interface MenuBoot {
  readonly kind: 'menu';
  readonly title: string;
  /** Seconds until the default is taken; `off`: it waits for a person. */
  readonly timeout: number | 'off';
  /** The role of one of the choices. */
  readonly default: string;
  readonly choices: readonly MenuChoice[];
}

/** `local`: the machine's own disk; `hold`: nothing, it waits on its screen. */
export type BootAction = KernelBoot | MenuBoot | { readonly kind: 'local' } | { readonly kind: 'hold' };

export type ParameterChecks = Readonly<Record<string, readonly (string | number | boolean)[]>>;

/** What a machine becomes: `profiles/<name>/role.yaml`, validated, with its templates read. */
export interface Role {
  readonly name: string;
  readonly description: string;
  /** The path of role.yaml. */
  readonly file: string;
  readonly boot: BootAction;
  readonly config?: RoleConfig;
  readonly identity: Identity;
  readonly credentials: Credentials;
  readonly parameters: Parameters;
  /**
   * What parameters may be, by their path (`addons.network`): one of these values. `<kind>` stands for every value of that
   * kind (boot/parameter-kinds.ts), `<1 to 100>` for whole numbers. Of a list it is said of each entry.
   */
  readonly checks?: ParameterChecks;
  /** `profiles/partials/*.hbs` by their names in `{{> name}}`: the same map for every role of a catalog. */
  readonly partials: Partials;
  /** Where they differ from those of tinderbox.yaml. */
  readonly stageTime?: StageTimes;
  /** The first loader of its machines by firmware architecture, over those of tinderbox.yaml. Never empty. */
  readonly loaders?: ReadonlyMap<string, string>;
}

export type Partials = ReadonlyMap<string, TemplateSource>;

/** An entry of `machines:`: what the operator wants one machine to be. */
export interface MachineEntry {
  readonly mac: Mac;
  /** Absent: the rules and the default decide. */
  readonly role?: string;
  /** Booted at its next boot, until one reports success. */
  readonly once?: string;
  readonly hostname?: string;
  /** A reservation: the machine gets this address in server mode, and its networkd unit has it in both modes. */
  readonly address?: Ipv4;
  readonly parameters: Parameters;
  /** Lines of the parameters in machines.yaml, by name; absent where they come from nowhere. */
  readonly parameterLines?: Readonly<Record<string, number>>;
  /** How it is turned on and off; absent: by hand. */
  readonly power?: PowerSettings;
  /** Line of the entry in machines.yaml. */
  readonly line: number;
}

/** Conditions of a rule; all given ones must hold. Texts match whole, with `*` as the only wildcard, in any case. */
export interface RuleMatch {
  readonly mac?: string;
  readonly uuid?: string;
  readonly arch?: MachineArch;
  readonly relay?: Ipv4;
  readonly subnet?: Ipv4Network;
  readonly serial?: string;
  readonly asset?: string;
  readonly manufacturer?: string;
  readonly product?: string;
  /** Each by its name, which must be the same letter by letter. */
  readonly labels?: Labels;
}

export interface Rule {
  readonly match: RuleMatch;
  readonly role: string;
  readonly parameters: Parameters;
  /** Lines of the parameters in machines.yaml, by name; absent where they come from nowhere. */
  readonly parameterLines?: Readonly<Record<string, number>>;
  /** So many machines without an entry of their own are admitted by it; absent: none under approve and listed. */
  readonly max?: number;
  /** Line of the rule in machines.yaml. */
  readonly line: number;
}

/** The validated content of `profiles/`, swapped as a whole. */
export interface Catalog {
  readonly roles: ReadonlyMap<string, Role>;
  readonly machines: ReadonlyMap<Mac, MachineEntry>;
  /** Who was given which hostname by its entry. */
  readonly hostnames: ReadonlyMap<string, Mac>;
  readonly rules: readonly Rule[];
  /** The role of a machine that nothing else matches; null where the file says `none`. */
  readonly defaultRole: string | null;
  /** Path of machines.yaml. */
  readonly file: string;
  /** Counts up with every swap; 1 is the one read at start. */
  readonly generation: number;
}
