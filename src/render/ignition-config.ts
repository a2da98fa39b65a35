/** An Ignition config whose fields have the types that they should (ignition-fields.ts). Names are Ignition's own. */
export interface IgnitionConfig {
  readonly ignition: {
    readonly version: string;
    readonly config?: { readonly merge?: readonly IgnitionResource[]; readonly replace?: IgnitionResource };
    readonly security?: { readonly tls?: { readonly certificateAuthorities?: readonly IgnitionResource[] } };
    readonly proxy?: {
      readonly httpProxy?: string;
      readonly httpsProxy?: string;
      readonly noProxy?: readonly string[];
    };
  };
  readonly storage?: IgnitionStorage;
  readonly systemd?: { readonly units?: readonly IgnitionUnit[] };
  readonly passwd?: { readonly users?: readonly IgnitionUser[]; readonly groups?: readonly IgnitionGroup[] };
  readonly kernelArguments?: {
    readonly shouldExist?: readonly string[];
    readonly shouldNotExist?: readonly string[];
  };
}

export interface IgnitionResource {
  readonly source?: string;
  readonly compression?: string;
  readonly httpHeaders?: readonly { readonly name: string; readonly value?: string }[];
  readonly verification?: { readonly hash?: string };
}

export interface IgnitionOwner {
  readonly id?: number;
  readonly name?: string;
}

export interface IgnitionNode {
  readonly path: string;
  readonly overwrite?: boolean;
  readonly user?: IgnitionOwner;
  readonly group?: IgnitionOwner;
}

export interface IgnitionFile extends IgnitionNode {
  readonly contents?: IgnitionResource;
  readonly append?: readonly IgnitionResource[];
  /** The bits themselves: 0o644 is 420. */
  readonly mode?: number;
}

export interface IgnitionDirectory extends IgnitionNode {
  readonly mode?: number;
}

export interface IgnitionLink extends IgnitionNode {
  readonly target: string;
  readonly hard?: boolean;
}

export interface IgnitionPartition {
  readonly label?: string;
  readonly number?: number;
  readonly sizeMiB?: number;
  readonly startMiB?: number;
  readonly typeGuid?: string;
  readonly guid?: string;
  readonly wipePartitionEntry?: boolean;
  readonly shouldExist?: boolean;
}

export interface IgnitionDisk {
  readonly device: string;
  readonly wipeTable?: boolean;
  readonly partitions?: readonly IgnitionPartition[];
}

export interface IgnitionRaid {
  readonly name: string;
  readonly level: string;
  readonly devices: readonly string[];
  readonly spares?: number;
}

export interface IgnitionFilesystem {
  readonly device: string;
  readonly format: string;
  readonly path?: string;
  readonly label?: string;
  readonly uuid?: string;
  readonly wipeFilesystem?: boolean;
  readonly options?: readonly string[];
  readonly mountOptions?: readonly string[];
}

export interface IgnitionLuks {
  readonly name: string;
  readonly device: string;
  readonly label?: string;
  readonly keyFile?: IgnitionResource;
  readonly clevis?: {
    readonly tang?: readonly {
      readonly url: string;
      readonly thumbprint: string;
      readonly advertisement?: string;
    }[];
    readonly tpm2?: boolean;
    readonly threshold?: number;
    readonly custom?: { readonly pin: string; readonly config: string };
  };
}

export interface IgnitionStorage {
  readonly disks?: readonly IgnitionDisk[];
  readonly raid?: readonly IgnitionRaid[];
  readonly filesystems?: readonly IgnitionFilesystem[];
  readonly files?: readonly IgnitionFile[];
  readonly directories?: readonly IgnitionDirectory[];
  readonly links?: readonly IgnitionLink[];
  readonly luks?: readonly IgnitionLuks[];
}

export interface IgnitionUnit {
  readonly name: string;
  readonly enabled?: boolean;
  readonly mask?: boolean;
  readonly contents?: string;
  readonly dropins?: readonly { readonly name: string; readonly contents?: string }[];
}

export interface IgnitionUser {
  readonly name: string;
  readonly passwordHash?: string;
  readonly sshAuthorizedKeys?: readonly string[];
  readonly uid?: number;
  readonly gecos?: string;
  readonly homeDir?: string;
  readonly primaryGroup?: string;
  readonly groups?: readonly string[];
  readonly shell?: string;
  readonly system?: boolean;
  readonly shouldExist?: boolean;
}

export interface IgnitionGroup {
  readonly name: string;
  readonly gid?: number;
  readonly passwordHash?: string;
  readonly system?: boolean;
}
