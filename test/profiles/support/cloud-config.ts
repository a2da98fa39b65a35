/** A rendered cloud-config as the tests look at it: renderConfig has checked its types already. */
export interface CloudConfig {
  readonly hostname: string;
  readonly users?: readonly { readonly name: string; readonly ssh_authorized_keys?: readonly string[] }[];
  readonly write_files?: readonly ConfigFile[];
  readonly coreos?: {
    readonly update?: object;
    readonly units?: readonly ConfigUnit[];
    readonly [key: string]: unknown;
  };
}

export interface ConfigFile {
  readonly path: string;
  readonly content: string;
  readonly permissions?: string;
  readonly owner?: string;
}

export interface ConfigUnit {
  readonly name: string;
  readonly content?: string;
  readonly command?: string;
  readonly enable?: boolean;
  readonly drop_ins?: readonly { readonly name: string; readonly content: string }[];
}

/** Contents by path. */
export function filesOf(config: CloudConfig): ReadonlyMap<string, string> {
  return new Map((config.write_files ?? []).map(({ path, content }) => [path, content]));
}

/** Throws if it is not written. */
export function fileOf(config: CloudConfig, path: string): string {
  const content = filesOf(config).get(path);
  if (content === undefined) throw new Error(`${path} is not written`);
  return content;
}

export function unitsOf(config: CloudConfig): readonly ConfigUnit[] {
  return config.coreos?.units ?? [];
}

/** The text of a unit; '' where there is none, or only drop-ins. */
export function unitOf(config: CloudConfig, name: string): string {
  return unitsOf(config).find((unit) => unit.name === name)?.content ?? '';
}
