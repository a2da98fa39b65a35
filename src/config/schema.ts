import { type Static, Type } from 'typebox';
import { DEFAULT_STAGE_TIMES } from '../boot/stage-times.ts';
import { loadersSchema, secureBootSchema } from '../document/loaders-schema.ts';
import {
  address,
  DOMAIN_PATTERN,
  IPV4_PATTERN,
  LABEL_PATTERN,
  network,
  stageTimes,
  words,
} from '../document/text-schemas.ts';
import { LOG_LEVELS } from '../logger.ts';

/**
 * tinderbox.yaml as it is written; resolve.ts makes a Config of it. `schemas/tinderbox.schema.json` is generated
 * from here, so descriptions and examples are what an editor shows.
 */
const addresses = (description: string, example: string) =>
  Type.Union([address(description, example), Type.Array(address(description, example))], {
    description,
    examples: [[example]],
  });
const duration = (description: string, fallback: string) =>
  Type.Union(
    [
      Type.Integer({ minimum: 1, maximum: 0xfffffffe }),
      Type.String(words('^\\d{1,10}[smhd]?$', 'a time such as 30m, 1h, 1d or 3600 (seconds)')),
    ],
    { description, default: fallback, examples: ['30m', '1h', '1d'] },
  );
const size = (description: string, fallback: string, examples: readonly (string | number)[]) =>
  Type.Union(
    [
      Type.Integer({ minimum: 0 }),
      Type.String(words('^\\d{1,15}(B|kB|MB|GB|KiB|MiB|GiB)?$', 'a size such as 512MiB, 2GB or 0')),
    ],
    { description, default: fallback, examples: [...examples] },
  );
const port = (description: string, fallback: number) =>
  Type.Integer({ minimum: 0, maximum: 65_535, description, default: fallback });
const domain = Type.String({
  ...words(DOMAIN_PATTERN, 'a DNS domain'),
  maxLength: 253,
  description: 'Domain that machines search names in (option 15).',
  examples: ['cluster.local'],
});
const path = (description: string, fallback: string) =>
  Type.String({ minLength: 1, description: `${description} Relative to this file.`, default: fallback });
const range = Type.String({
  ...words(`^${IPV4_PATTERN}\\s*-\\s*${IPV4_PATTERN}$`, 'a range such as 10.77.0.100-10.77.0.200'),
  examples: ['10.77.0.100-10.77.0.200'],
});
const ranges = Type.Union([range, Type.Array(range, { minItems: 1 })], {
  description: 'Addresses to give away, both ends included: one range or a list of them.',
  examples: ['10.77.0.100-10.77.0.200'],
});
const mtu = Type.Integer({ minimum: 576, maximum: 65_535, description: 'MTU told to machines (option 26).' });
const closed = { additionalProperties: false } as const;

const interfaceName = Type.String({
  ...words('^[^\\s/]{1,15}$', 'the name of a network interface, as `ip link` shows it'),
  examples: ['enp0s8'],
});

const SubnetSchema = Type.Object(
  {
    network: Type.Optional(
      network('The network; absent: that of the interface whose network holds the range.', '10.77.0.0/24'),
    ),
    range: Type.Optional(ranges),
    leaseTime: Type.Optional(duration('How long a lease lasts.', '1h')),
    router: Type.Optional(address('Default router of the machines.', '10.77.0.1')),
    dns: Type.Optional(addresses('Name servers.', '10.77.0.1')),
    domain: Type.Optional(domain),
    ntp: Type.Optional(addresses('Time servers (option 42).', '10.77.0.1')),
    mtu: Type.Optional(mtu),
  },
  closed,
);

const DhcpSchema = Type.Object(
  {
    mode: Type.Optional(
      Type.Enum(['proxy', 'server', 'off'], {
        description: 'proxy: another server gives addresses | server: Tinderbox does | off: no DHCP at all.',
        default: 'proxy',
      }),
    ),
    ...SubnetSchema.properties,
    network: Type.Optional(network('The network of `range`; absent: that of the interface.', '10.77.0.0/24')),
    subnets: Type.Optional(
      Type.Array(SubnetSchema, {
        minItems: 1,
        description:
          'Several networks, chosen by the relay agent or the interface. Instead of `range` and `router`.',
      }),
    ),
    knownOnly: Type.Optional(
      Type.Boolean({
        description: 'Addresses only for machines with an entry in machines.yaml.',
        default: false,
      }),
    ),
    probeAddresses: Type.Optional(
      Type.Boolean({
        description:
          'server mode: while the database is new, look on the network whether an address is free before it is offered.',
        default: true,
      }),
    ),
    uefiProxy: Type.Optional(
      Type.Enum(['pxe', 'offer'], {
        description: 'proxy mode, UEFI: send firmware to port 4011 (pxe), or put everything into the offer.',
        default: 'pxe',
      }),
    ),
    declineTime: Type.Optional(duration('How long an address rests after a machine found it taken.', '10m')),
    probe: Type.Optional(
      Type.Union(
        [
          Type.Integer({ minimum: 1, maximum: 86_400 }),
          Type.String(words('^(off|\\d{1,10}[smhd]?)$', 'a time such as 5m, 1h or 300 (seconds), or off')),
        ],
        {
          description: 'How often other DHCP servers are looked for, with a DISCOVER | off: never.',
          default: '5m',
          examples: ['5m', '1h', 'off'],
        },
      ),
    ),
    allowOtherServers: Type.Optional(
      Type.Boolean({
        description:
          'server mode: begin although another DHCP server gives addresses there. Without it the first start is refused.',
        default: false,
      }),
    ),
    leaseDurability: Type.Optional(
      Type.Enum(['disk', 'process'], {
        description:
          'disk: a lease is synced before it is confirmed | process: survives the process, not the power.',
        default: 'disk',
      }),
    ),
  },
  { ...closed, description: 'DHCP. `range` and what follows it are one entry of `subnets:`, in short.' },
);

const HttpSchema = Type.Object(
  {
    port: Type.Optional(port('TCP port on the provisioning addresses.', 80)),
    url: Type.Optional(
      Type.String({
        ...words('^https?://[^\\s/?#@]+(/[^\\s?#]*)?$', 'a URL such as http://boot.example.net'),
        description: 'What machines are told instead of `http://<address>`. Tinderbox serves no DNS.',
        examples: ['http://boot.example.net'],
      }),
    ),
    queue: Type.Optional(
      Type.Object(
        {
          downloads: Type.Optional(
            Type.Union([Type.Integer({ minimum: 0, maximum: 10_000 }), Type.Literal('off')], {
              description:
                'So many machines load their kernel and initrds at once; the others wait, the oldest is the next. `off`, `0`: nobody waits.',
              default: 64,
            }),
          ),
          largerThan: Type.Optional(
            size('A boot without a larger file than this does not wait, and no smaller file does.', '8MiB', [
              '8MiB',
              '64MiB',
            ]),
          ),
        },
        { ...closed, description: 'The boot queue, for racks that are powered on at once.' },
      ),
    ),
    cacheBytes: Type.Optional(size('Memory for hot files.', '512MiB', ['512MiB', '2GiB', 0])),
    sessionTime: Type.Optional(duration("How long a boot session's configuration may be fetched.", '1h')),
    strictAddress: Type.Optional(
      Type.Boolean({
        description: "Refuse a session's URLs to another address than the one that fetched its script.",
        default: false,
      }),
    ),
    matchbox: Type.Optional(
      Type.Boolean({
        description:
          "Also answer matchbox's routes: /ignition, /cloud, /generic, /metadata and /grub, which whoever knows a MAC may ask.",
        default: false,
      }),
    ),
  },
  { ...closed, description: 'What machines fetch over HTTP.' },
);

/** Without a query: paths are put behind it. It stands in scripts, where white space and `$` would mean something. */
const assetServer = (description: string, example: string) =>
  Type.String({
    ...words('^https?://[A-Za-z0-9._-]+(:\\d{1,5})?(/[A-Za-z0-9._~/-]*)?$', `a URL such as ${example}`),
    maxLength: 200,
    description,
    examples: [example],
  });

const AssetsSchema = Type.Object(
  {
    mirrors: Type.Optional(
      Type.Array(
        Type.Object(
          {
            url: assetServer('What has the same files below its /assets.', 'http://10.78.0.5'),
            relay: Type.Optional(
              address('For machines that ask through this relay agent (giaddr).', '10.78.0.1'),
            ),
            subnet: Type.Optional(network('For machines with an address in it.', '10.78.0.0/24')),
          },
          closed,
        ),
        {
          maxItems: 200,
          description:
            'Servers near racks: their machines fetch kernel and initrd there, and here if that fails. Several of one place share its machines.',
          examples: [[{ url: 'http://10.78.0.5', relay: '10.78.0.1' }]],
        },
      ),
    ),
    pullThrough: Type.Optional(
      Type.Object(
        {
          from: assetServer('Where what is not here is fetched: another Tinderbox, say.', 'http://10.77.0.1'),
          maxBytes: Type.Optional(
            size('What such files may take; beyond, those go that were not asked for the longest.', '20GB', [
              '20GB',
              '100GB',
            ]),
          ),
          freshFor: Type.Optional(
            duration(
              'A file without a version in its path is compared with the one there after so long.',
              '1m',
            ),
          ),
          fetches: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 64, description: 'Files fetched at one time.', default: 4 }),
          ),
        },
        {
          ...closed,
          description: 'Fetches what machines ask for and is not here, once, and keeps it in paths.assets.',
        },
      ),
    ),
  },
  { ...closed, description: 'Assets at a distance.' },
);

const peers = (description: string) =>
  Type.Array(
    Type.Object(
      {
        hostname: Type.String({
          ...words(LABEL_PATTERN, 'a host name of letters, digits and inner hyphens (RFC 1123)'),
          examples: ['master-1'],
        }),
        address: address('Where the others reach it.', '10.77.0.1'),
      },
      closed,
    ),
    { description, examples: [[{ hostname: 'master-1', address: '10.77.0.1' }]] },
  );

const ClusterSchema = Type.Object(
  {
    name: Type.Optional(
      Type.String({
        // It is a word of kubeconfig files, of their contexts and of the commands that name those.
        ...words(DOMAIN_PATTERN, 'a name of letters, digits, inner hyphens and dots such as rack-1'),
        maxLength: 63,
        default: 'kubernetes',
      }),
    ),
    apiServer: Type.String({
      ...words('^https://[^\\s/?#@]+$', 'a URL such as https://10.77.0.1:6443'),
      description: 'Where kubelets find the API server.',
      examples: ['https://10.77.0.1:6443'],
    }),
    podNetwork: Type.Optional(network('Addresses of pods.', '10.2.0.0/16', { default: '10.2.0.0/16' })),
    serviceNetwork: Type.Optional(
      network('Addresses of services.', '10.3.0.0/24', { default: '10.3.0.0/24' }),
    ),
    dnsServiceIP: Type.Optional(
      address('The cluster DNS; absent: the tenth address of serviceNetwork.', '10.3.0.10'),
    ),
    dnsDomain: Type.Optional(
      Type.String({ ...domain, description: 'Domain of the cluster.', default: 'cluster.local' }),
    ),
    controllers: Type.Optional(
      peers(
        'Controllers that Tinderbox does not boot: this host, say. Those in machines.yaml are known by their roles.',
      ),
    ),
    etcd: Type.Optional(
      peers('Members of etcd that Tinderbox does not boot. Where there are no members, controllers are.'),
    ),
  },
  { ...closed, description: 'The Kubernetes cluster that machines join; templates see it as `cluster`.' },
);

export const ConfigSchema = Type.Object(
  {
    network: Type.Object(
      {
        interface: Type.Union([interfaceName, Type.Array(interfaceName, { minItems: 1 })], {
          description:
            'Provisioning interface, or a list of them; their addresses are read from them, whenever they change.',
          examples: ['enp0s8', ['enp0s8', 'enp0s9']],
        }),
      },
      closed,
    ),
    dhcp: Type.Optional(DhcpSchema),
    http: Type.Optional(HttpSchema),
    assets: Type.Optional(AssetsSchema),
    tftp: Type.Optional(
      Type.Object(
        {
          port: Type.Optional(port('UDP port.', 69)),
          maxTransfers: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 60_000,
              description: 'Transfers at one time.',
              default: 2048,
            }),
          ),
        },
        { ...closed, description: 'The first loader over TFTP.' },
      ),
    ),
    syslog: Type.Optional(
      Type.Object(
        {
          port: Type.Optional(
            Type.Union(
              [
                Type.Integer({ minimum: 1, maximum: 65_535 }),
                Type.String(words('^off$', 'a port from 1 to 65535, or off')),
              ],
              {
                description:
                  'UDP port on the provisioning interfaces; DHCP tells network boots of it (option 7) if it is 514 | off: nothing is received.',
                default: 514,
                examples: [514, 'off'],
              },
            ),
          ),
        },
        { ...closed, description: 'What machines print while they boot: their consoles.' },
      ),
    ),
    admin: Type.Optional(
      Type.Object(
        {
          listen: Type.Optional(
            Type.String({
              ...words(
                '^(\\[[0-9A-Fa-f:.]+\\]|[^\\s:/\\[\\]]+):\\d{1,5}$',
                'host:port such as 127.0.0.1:8080',
              ),
              description: 'TCP listener for people; absent: only the unix socket.',
              examples: ['127.0.0.1:8080'],
            }),
          ),
          socket: Type.Optional(
            Type.String({
              minLength: 1,
              description:
                'Unix socket of the CLI; absent: /run/tinderbox/admin.sock as a service, else in paths.state.',
              examples: ['/run/tinderbox/admin.sock'],
            }),
          ),
          tls: Type.Optional(
            Type.Union(
              [
                Type.Enum(['own', 'off']),
                Type.Object(
                  {
                    certificate: Type.String({
                      minLength: 1,
                      description: 'In PEM, with those of its issuers. Relative to this file.',
                    }),
                    key: Type.String({ minLength: 1, description: 'Its private key, in PEM.' }),
                  },
                  closed,
                ),
              ],
              {
                description:
                  'own: a certificate of an authority of its own, the default beyond loopback | off: none, on loopback only | the files of one.',
                examples: ['own', { certificate: '/etc/ssl/boot.pem', key: '/etc/ssl/private/boot.key' }],
              },
            ),
          ),
          names: Type.Optional(
            Type.Array(Type.String({ ...words(DOMAIN_PATTERN, 'a DNS name'), maxLength: 253 }), {
              description: "Names that browsers use for it, beside this host's own and localhost.",
              examples: [['boot.example.net']],
            }),
          ),
        },
        { ...closed, description: 'The admin plane: what people and the CLI reach.' },
      ),
    ),
    admission: Type.Optional(
      Type.Enum(['open', 'approve', 'listed'], {
        description:
          'open: any machine boots | approve: unknown ones wait | listed: only those in machines.yaml.',
        default: 'open',
      }),
    ),
    stageTime: Type.Optional(
      stageTimes(
        'How long a machine may stand at a stage before it counts as stalled and is diagnosed; `off`: for ever. A role may say it for its own machines.',
        DEFAULT_STAGE_TIMES,
      ),
    ),
    log: Type.Optional(
      Type.Object(
        {
          level: Type.Optional(
            Type.Enum([...LOG_LEVELS], {
              description: 'The least that is logged; `tinderbox log` changes it while the daemon runs.',
              default: 'info',
            }),
          ),
        },
        { ...closed, description: 'The log.' },
      ),
    ),
    history: Type.Optional(
      Type.Object(
        {
          keep: Type.Optional(
            duration(
              'Older boots and events are deleted; alarms after four times as long. The newest boot of a machine stays.',
              '90d',
            ),
          ),
          maxSize: Type.Optional(
            size('What the database may hold; beyond, the oldest go. At least 16MiB.', '500MB', [
              '500MB',
              '2GiB',
            ]),
          ),
        },
        { ...closed, description: 'How much of the past is kept.' },
      ),
    ),
    cluster: Type.Optional(ClusterSchema),
    paths: Type.Optional(
      Type.Object(
        {
          profiles: Type.Optional(path('Roles and machines.yaml.', './profiles')),
          assets: Type.Optional(path('What /assets serves.', './assets')),
          state: Type.Optional(path("The database and the cluster's authorities.", './var')),
        },
        { ...closed, description: 'Folders.' },
      ),
    ),
    loaders: Type.Optional(
      loadersSchema(
        'Boot files by firmware architecture, where the defaults do not do. A role may have its own.',
      ),
    ),
    secureBoot: Type.Optional(
      secureBootSchema(
        'Every UEFI machine gets the signed shim, which loads a signed GRUB: shimx64.efi, shimaa64.efi, shimia32.efi.',
      ),
    ),
  },
  { ...closed, title: 'tinderbox.yaml', description: 'The configuration of Tinderbox.' },
);

export type RawConfig = Static<typeof ConfigSchema>;
export type RawSubnet = Static<typeof SubnetSchema>;
