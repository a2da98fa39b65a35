/** What a machine says of itself, from the `hold` and `rescue` roles. All texts are the machine's: bounded, not trusted. */
export interface Hardware {
  /** Milliseconds since the epoch: when it was told. */
  readonly at: number;
  /** `hold` knows what iPXE can read; `rescue` what Linux can. */
  readonly source: 'ipxe' | 'linux';
  readonly cpu?: { readonly model: string; readonly count?: number };
  /** Bytes. */
  readonly memory?: number;
  /** The main board. */
  readonly board?: string;
  readonly disks: readonly { readonly name: string; readonly model?: string; readonly bytes?: number }[];
  readonly network: readonly {
    readonly name: string;
    readonly mac?: string;
    readonly driver?: string;
    /** Megabits per second. */
    readonly speed?: number;
    /** It has a link. */
    readonly link?: boolean;
  }[];
  readonly firmware?: {
    readonly kind?: 'bios' | 'uefi';
    readonly vendor?: string;
    readonly version?: string;
    readonly date?: string;
    readonly secureBoot?: boolean;
  };
}
