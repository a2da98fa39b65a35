/**
 * What coreos-cloudinit takes, of Container Linux and of Flatcar (its `config/*.go`). It goes on at boot past most of
 * what is wrong, with a line in a journal that nobody reads: a mistake must be found before it is served.
 *
 * Keys are spelled with underscores. The program's own validator takes hyphens as well, but Flatcar's current release
 * drops a hyphenated key in silence when it applies the file (seen).
 */
export type FieldShape =
  | { readonly kind: 'text'; readonly pattern?: RegExp; readonly allowed?: string }
  | { readonly kind: 'truth' }
  | { readonly kind: 'number' }
  | { readonly kind: 'list'; readonly of: FieldShape }
  | {
      readonly kind: 'map';
      readonly keys: { readonly [key: string]: FieldShape };
      readonly needs: readonly string[];
    };

const TEXT: FieldShape = { kind: 'text' };
const TRUTH: FieldShape = { kind: 'truth' };
const NUMBER: FieldShape = { kind: 'number' };

function text(pattern: RegExp, allowed: string): FieldShape {
  return { kind: 'text', pattern, allowed };
}

function list(of: FieldShape): FieldShape {
  return { kind: 'list', of };
}

function map(keys: { readonly [key: string]: FieldShape }, ...needs: readonly string[]): FieldShape {
  return { kind: 'map', keys, needs };
}

/** Keys of one sort, by name. */
function each(shape: FieldShape, names: string): { readonly [key: string]: FieldShape } {
  return Object.fromEntries(
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, shape]),
  );
}

/** A boolean or a list of commands is what `manage_etc_hosts` and `passwd` must not be: everything else is text. */
const USER = map(
  {
    ...each(TEXT, 'name passwd gecos homedir primary_group shell'),
    ...each(TEXT, 'coreos_ssh_import_github coreos_ssh_import_url'),
    ...each(TRUTH, 'no_create_home no_user_group system no_log_init'),
    ...each(list(TEXT), 'ssh_authorized_keys groups coreos_ssh_import_github_users'),
  },
  'name',
);

const FILE = map(
  {
    path: TEXT,
    content: TEXT,
    owner: TEXT,
    permissions: text(/^0?[0-7]{3,4}$/, 'three or four octal digits, in quotes: "0644"'),
    encoding: text(
      /^(base64|b64|gz|gzip|gz\+base64|gzip\+base64|gz\+b64|gzip\+b64)$/,
      'base64, gzip or gzip+base64',
    ),
  },
  'path',
);

const UNIT = map(
  {
    name: TEXT,
    content: TEXT,
    ...each(TRUTH, 'enable mask runtime'),
    command: text(
      /^(start|stop|restart|reload|try-restart|reload-or-restart|reload-or-try-restart)$/,
      'start, stop, restart, reload, try-restart, reload-or-restart or reload-or-try-restart',
    ),
    drop_ins: list(map({ name: TEXT, content: TEXT }, 'name', 'content')),
  },
  'name',
);

const ETCD2 = map({
  ...each(
    TEXT,
    `advertise_client_urls ca_file cert_file cors data_dir discovery discovery_fallback discovery_srv discovery_proxy
     initial_advertise_peer_urls initial_cluster initial_cluster_state initial_cluster_token key_file
     listen_client_urls listen_peer_urls log_package_levels name peer_ca_file peer_cert_file peer_key_file
     peer_trusted_ca_file trusted_ca_file wal_dir`,
  ),
  proxy: text(/^(on|off|readonly)$/, 'on, off or readonly, in quotes'),
  ...each(
    TRUTH,
    'client_cert_auth debug enable_pprof force_new_cluster peer_client_cert_auth strict_reconfig_check',
  ),
  ...each(
    NUMBER,
    `election_timeout heartbeat_interval max_snapshots max_wals proxy_dial_timeout proxy_failure_wait
     proxy_read_timeout proxy_refresh_interval proxy_write_timeout snapshot_count`,
  ),
});

const COREOS = map({
  units: list(UNIT),
  update: map({
    reboot_strategy: text(
      /^(best-effort|etcd-lock|reboot|off)$/,
      'best-effort, etcd-lock, reboot or off, in quotes',
    ),
    group: TEXT,
    server: TEXT,
  }),
  etcd2: ETCD2,
  flannel: map(
    each(
      TEXT,
      `etcd_endpoints etcd_cafile etcd_certfile etcd_keyfile etcd_prefix etcd_username etcd_password ip_masq
       subnet_file interface public_ip`,
    ),
  ),
  fleet: map(
    each(
      TEXT,
      `agent_ttl engine_reconcile_interval etcd_cafile etcd_certfile etcd_keyfile etcd_key_prefix
       etcd_request_timeout etcd_servers etcd_username etcd_password metadata public_ip verbosity`,
    ),
  ),
  locksmith: map(
    each(
      TEXT,
      `endpoint etcd_cafile etcd_certfile etcd_keyfile etcd_username etcd_password group window_start window_length`,
    ),
  ),
  oem: map(each(TEXT, 'id name version_id home_url bug_report_url')),
});

/** The whole document, below its first line `#cloud-config`. */
export const CLOUD_CONFIG: FieldShape = map({
  hostname: text(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i,
    'one DNS label: letters, digits and hyphens (coreos-cloudinit cuts it at the first dot)',
  ),
  ssh_authorized_keys: list(TEXT),
  users: list(USER),
  write_files: list(FILE),
  manage_etc_hosts: text(/^localhost$/, 'localhost'),
  coreos: COREOS,
});

/** As much of the document as is looked at beyond its types. */
export interface CloudConfig {
  readonly hostname?: string;
  readonly ssh_authorized_keys?: readonly string[];
  readonly users?: readonly { readonly name: string }[];
  readonly write_files?: readonly CloudConfigFile[];
  readonly manage_etc_hosts?: string;
  readonly coreos?: { readonly units?: readonly CloudConfigUnit[] };
}

export interface CloudConfigFile {
  readonly path: string;
  readonly content?: string;
  readonly encoding?: string;
  readonly owner?: string;
  readonly permissions?: string;
}

export interface CloudConfigUnit {
  readonly name: string;
  readonly content?: string;
  readonly enable?: boolean;
  readonly mask?: boolean;
  readonly command?: string;
  readonly drop_ins?: readonly { readonly name: string; readonly content: string }[];
}

/** Something wrong in a rendered cloud-config, and where: keys and list indexes from the top. */
export interface ConfigProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}
