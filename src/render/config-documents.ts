import type { ConfigFormat, RoleConfig } from '../machine/role.ts';

/** What cloud-init asks for beside `user-data`, whether a role gives it or not. */
export const NOCLOUD_FILES = ['meta-data', 'vendor-data', 'network-config'] as const;
export type NocloudFile = (typeof NOCLOUD_FILES)[number];

/** One text of a role's configuration. */
export interface ConfigDocument {
  /** Its URL, below that of the session. */
  readonly path: string;
  /** Absent: it is the main document, which proves the stage `config` and may hold secrets. No other may. */
  readonly file?: string;
  /** What people call it. */
  readonly title: string;
  /** Whether the role gives it, or it has a default that says something. The rest is served empty. */
  readonly isGiven: boolean;
}

/** Where the main document is, below the URL of the session. */
const MAIN: Readonly<Record<ConfigFormat, string>> = {
  'cloud-config': 'cloud-config',
  nocloud: 'nocloud/user-data',
  ignition: 'ignition',
  raw: 'raw',
};

const TITLES: Readonly<Record<ConfigFormat, string>> = {
  'cloud-config': 'cloud-config',
  nocloud: 'user-data',
  ignition: 'ignition',
  raw: 'raw configuration',
};

/** All that a machine may fetch of a configuration: the main document, then the others. */
export function configDocuments({ format, files }: RoleConfig): readonly ConfigDocument[] {
  const main: ConfigDocument = { path: MAIN[format], title: TITLES[format], isGiven: true };
  switch (format) {
    case 'cloud-config':
    case 'ignition':
      return [main];
    case 'nocloud':
      return [
        main,
        ...NOCLOUD_FILES.map((file) => ({
          path: `nocloud/${file}`,
          file,
          title: file,
          isGiven: file === 'meta-data' || files?.has(file) === true,
        })),
      ];
    case 'raw':
      return [
        main,
        ...[...(files?.keys() ?? [])].map((file) => ({
          path: `raw/${file}`,
          file,
          title: file,
          isGiven: true,
        })),
      ];
  }
}

/** What kernel command lines name: of nocloud the folder, since cloud-init puts the names behind it. */
export function configUrlOf(sessionUrl: string, format: ConfigFormat = 'cloud-config'): string {
  return format === 'nocloud' ? `${sessionUrl}/nocloud/` : `${sessionUrl}/${MAIN[format]}`;
}
