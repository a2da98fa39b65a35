import { type Static, Type } from 'typebox';
import { LABEL_NAME } from '../boot/read-labels.ts';
import { loadersSchema, secureBootSchema } from '../document/loaders-schema.ts';
import { address, LABEL_PATTERN, MAC_PATTERN, network, stageTimes, words } from '../document/text-schemas.ts';
import { MACHINE_ARCHES } from '../machine/architecture.ts';
import {
  CERTIFICATE_NAMES,
  FILE_LAYOUTS,
  IDENTITIES,
  KEY_DELIVERIES,
  NODE_NAMES,
} from '../machine/identity.ts';
import { CONFIG_FORMATS } from '../machine/role.ts';
import { PowerSchema } from './power-schema.ts';

const closed = { additionalProperties: false } as const;

/** `none` is no role: it is what `default:` says for "nothing". */
export const ROLE_NAME_PATTERN = '^(?!none$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$';
const roleName = (description: string) =>
  Type.String({
    ...words(ROLE_NAME_PATTERN, 'the name of a role: the name of a folder beside machines.yaml'),
    description,
    examples: ['worker'],
  });
const parameters = Type.Record(Type.String(), Type.Unknown(), {
  description:
    "Values for the templates; a machine's override those of a rule, which override the role's: in maps key by key.",
  examples: [{ image: 'flatcar-arm64' }],
});
const pattern = (description: string, example: string) =>
  Type.String({
    minLength: 1,
    maxLength: 255,
    description: `${description} Matches whole, in any case; * stands for anything.`,
    examples: [example],
  });

const MachineSchema = Type.Object(
  {
    role: Type.Optional(roleName('What the machine becomes; absent: the rules and the default decide.')),
    once: Type.Optional(
      roleName(
        'What it boots next, until a boot reports success; from then on what it is without this line. After three boots without success it waits.',
      ),
    ),
    hostname: Type.Optional(
      Type.String({
        // One label: coreos-cloudinit cuts a name at its first dot, and two machines would be one node.
        ...words(
          LABEL_PATTERN,
          'a host name of letters, digits and inner hyphens (RFC 1123), without a domain',
        ),
        description: 'Absent: node-<last six digits of the MAC>.',
        examples: ['master-1'],
      }),
    ),
    address: Type.Optional(address('A fixed address.', '10.77.0.10')),
    parameters: Type.Optional(parameters),
    power: Type.Optional(PowerSchema),
  },
  {
    ...closed,
    description: 'One machine.',
    examples: [{ role: 'controller', hostname: 'master-1', address: '10.77.0.10' }],
  },
);

const MatchSchema = Type.Object(
  {
    mac: Type.Optional(pattern('Hardware address.', '52:54:00:*')),
    uuid: Type.Optional(pattern('SMBIOS UUID.', '4c4c4544-*')),
    arch: Type.Optional(Type.Enum([...MACHINE_ARCHES], { description: 'Processor.' })),
    relay: Type.Optional(address('The relay agent that its packets come through.', '10.78.0.1')),
    subnet: Type.Optional(network('The network it is in.', '10.78.0.0/24')),
    serial: Type.Optional(pattern('Serial number.', 'CZ3*')),
    asset: Type.Optional(pattern('Asset tag.', 'rack-7-*')),
    manufacturer: Type.Optional(pattern('Manufacturer.', 'Dell*')),
    product: Type.Optional(pattern('Product.', 'PowerEdge R640')),
    labels: Type.Optional(
      Type.Record(Type.String(), pattern('What the label is.', 'west'), {
        propertyNames: words(
          LABEL_NAME.source,
          'the name of a label: letters, digits, dots, underscores, hyphens',
        ),
        description: 'What the machine said of itself at /ipxe (`&region=west`); all must match.',
        examples: [{ region: 'west', rack: 'r7*' }],
      }),
    ),
  },
  { ...closed, description: 'All that are given must hold.' },
);

/** profiles/machines.yaml. */
export const MachinesSchema = Type.Object(
  {
    machines: Type.Optional(
      Type.Record(Type.String(), Type.Union([MachineSchema, Type.Null()]), {
        propertyNames: words(MAC_PATTERN, 'a MAC such as 52:54:00:12:34:56'),
        description: 'Machines by MAC. An entry beats every rule.',
        examples: [
          { '52:54:00:12:34:56': { role: 'controller', hostname: 'master-1', address: '10.77.0.10' } },
        ],
      }),
    ),
    rules: Type.Optional(
      Type.Union(
        [
          Type.Array(
            Type.Object(
              {
                match: MatchSchema,
                role: roleName('What matching machines become.'),
                max: Type.Optional(
                  Type.Integer({
                    minimum: 1,
                    maximum: 100_000,
                    description:
                      'So many different machines without an entry are admitted by this rule; the next one waits. Absent: `admission` alone decides.',
                    examples: [20],
                  }),
                ),
                parameters: Type.Optional(parameters),
              },
              closed,
            ),
          ),
          Type.Null(),
        ],
        {
          description: 'The first rule that matches wins.',
          examples: [[{ match: { arch: 'arm64' }, role: 'worker', parameters: { image: 'flatcar-arm64' } }]],
        },
      ),
    ),
    default: Type.Optional(
      Type.String({
        ...words('^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$', 'the name of a role, or none'),
        description: 'The role of a machine that nothing else matches, or `none`.',
        examples: ['worker', 'none'],
        default: 'none',
      }),
    ),
  },
  { ...closed, title: 'machines.yaml', description: 'Who boots what.' },
);
export type RawMachines = Static<typeof MachinesSchema>;
export type RawMachine = Static<typeof MachineSchema>;
export type RawMatch = Static<typeof MatchSchema>;

const template = (description: string, example: string) =>
  Type.String({ minLength: 1, description: `${description} A template.`, examples: [example] });

const templateFile = (description: string, example: string) =>
  Type.String({ minLength: 1, description, examples: [example] });

const KernelBootSchema = Type.Object(
  {
    kernel: template(
      'Path of the kernel below /assets, or a URL.',
      '/assets/flatcar/flatcar_production_pxe.vmlinuz',
    ),
    initrd: Type.Optional(
      Type.Array(
        template('Path of an initrd, or a URL.', '/assets/flatcar/flatcar_production_pxe_image.cpio.gz'),
        {
          description: 'In this order.',
        },
      ),
    ),
    cmdline: Type.Optional(
      Type.Array(template('One kernel argument.', 'cloud-config-url={{configUrl}}'), {
        description: 'The kernel command line, one entry an argument.',
        examples: [['flatcar.first_boot=1', 'cloud-config-url={{configUrl}}', 'console=ttyS0']],
      }),
    ),
    handsOver: Type.Optional(
      Type.Literal(true, {
        description:
          'Nothing is heard of it once it runs (a memory test): the boot session ends with the script.',
      }),
    ),
  },
  { ...closed, description: 'What iPXE loads.' },
);

/** No hyphen first: a loader would take it for an option. */
const consoleText = (description: string, example: string) =>
  Type.String({
    ...words(
      '^[!-,.-~][ -~]{0,71}$',
      'at most 72 letters, digits and signs of ASCII, and no space or hyphen first',
    ),
    description,
    examples: [example],
  });

const MenuBootSchema = Type.Object(
  {
    menu: Type.Object(
      {
        title: consoleText('What stands above the choices.', 'What shall this machine be?'),
        timeout: Type.Optional(
          Type.Union([Type.Integer({ minimum: 1, maximum: 3600 }), Type.Literal('off')], {
            description: 'Seconds until the default is taken; `off`: it waits for a person.',
            default: 30,
          }),
        ),
        default: Type.Optional(
          roleName(
            'One of the choices: what is taken when the time is over, or the menu is left. Absent: the first.',
          ),
        ),
        choices: Type.Array(
          Type.Object(
            {
              role: roleName('What the machine then boots, this once: no other menu, and none that waits.'),
              label: Type.Optional(consoleText('What the menu calls it; absent: the role.', 'Memory test')),
              key: Type.Optional(
                Type.String({
                  ...words('^[a-z0-9]$', 'a letter or a digit'),
                  description: 'What to press for it.',
                  examples: ['m'],
                }),
              ),
            },
            closed,
          ),
          { minItems: 1, maxItems: 40, description: 'In this order.' },
        ),
      },
      { ...closed, description: 'What a person at the console chooses from.' },
    ),
  },
  closed,
);

/** profiles/<role>/role.yaml. */
export const RoleSchema = Type.Object(
  {
    description: Type.Optional(Type.String({ description: 'For people.', examples: ['Diskless worker'] })),
    boot: Type.Union([KernelBootSchema, MenuBootSchema, Type.Enum(['local', 'hold'])], {
      description:
        "What iPXE does: load a kernel, or show a menu, or `local`: boot the machine's own disk, or `hold`: wait on its screen.",
      examples: ['local'],
    }),
    config: Type.Optional(
      Type.Object(
        {
          format: Type.Enum([...CONFIG_FORMATS], { description: 'What the operating system reads.' }),
          template: Type.Optional(
            templateFile(
              'File of the template, in this folder or in ../partials. One of template and description is wanted.',
              'cloud-config.yaml.hbs',
            ),
          ),
          description: Type.Optional(
            templateFile(
              'File of a template that renders to a neutral description (users, files, units, disks), which is converted to the format. Not for raw.',
              'machine.yaml.hbs',
            ),
          ),
          files: Type.Optional(
            Type.Record(
              Type.String(),
              templateFile('File of a template, likewise.', 'network-config.yaml.hbs'),
              {
                propertyNames: words(
                  '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
                  'a name of letters, digits, dots, underscores and hyphens',
                ),
                description:
                  'What is served beside it, by its name in the URL. nocloud: meta-data, vendor-data, network-config; raw: any.',
                examples: [{ 'network-config': 'network-config.yaml.hbs' }],
              },
            ),
          ),
          contentType: Type.Optional(
            Type.String({
              ...words(
                '^[a-z0-9.+-]+/[a-z0-9.+-]+(; charset=[A-Za-z0-9-]+)?$',
                'a media type such as text/plain; charset=utf-8',
              ),
              description: 'The media type of a raw configuration.',
              default: 'text/plain; charset=utf-8',
            }),
          ),
        },
        { ...closed, description: 'What the operating system fetches.' },
      ),
    ),
    identity: Type.Optional(
      Type.Enum([...IDENTITIES], {
        description: 'Which certificates the machine may have.',
        default: 'none',
      }),
    ),
    credentials: Type.Optional(
      Type.Object(
        {
          delivery: Type.Optional(
            Type.Enum([...KEY_DELIVERIES], {
              description:
                'csr: the machine makes its keys and has them certified | issued: they travel in its configuration, which is released once.',
              default: 'csr',
            }),
          ),
          layout: Type.Optional(
            Type.Enum([...FILE_LAYOUTS], {
              description:
                'Where certificates lie. current: /etc/kubernetes/pki, as kubeadm | coreos: /etc/kubernetes/ssl.',
              default: 'current',
            }),
          ),
          nodeName: Type.Optional(
            Type.Enum([...NODE_NAMES], {
              description: 'What the kubelet registers as.',
              default: 'hostname',
            }),
          ),
          certificates: Type.Optional(
            Type.Array(Type.Enum([...CERTIFICATE_NAMES]), {
              description:
                'The certificates that the role uses: no others are signed for its machines. Default: all of its identity.',
              uniqueItems: true,
              examples: [['node']],
            }),
          ),
        },
        { ...closed, description: 'How the certificates get to the machine, and where they lie there.' },
      ),
    ),
    parameters: Type.Optional(parameters),
    checks: Type.Optional(
      Type.Record(
        Type.String(),
        Type.Union([
          Type.String(),
          Type.Array(Type.Union([Type.String(), Type.Number(), Type.Boolean()]), { minItems: 1 }),
        ]),
        {
          description:
            'What parameters may be, by name (`addons.network` of one in a map): one of these values; `<kind>` is any of a kind, `<1 to 100>` a whole number. Of a list it is said of each entry.',
          examples: [{ disk: ['auto', 'none', '<device>'], labels: '<labels>' }],
        },
      ),
    ),
    stageTime: Type.Optional(
      stageTimes(
        'How long a machine of this role may stand at a stage before it counts as stalled and is diagnosed; `off`: for ever. What is not said is as in tinderbox.yaml.',
      ),
    ),
    loaders: Type.Optional(
      loadersSchema(
        "The first loader of this role's machines by firmware architecture, over those of tinderbox.yaml. What gives a machine the role must be known in DHCP then.",
      ),
    ),
    secureBoot: Type.Optional(
      secureBootSchema(
        "This role's UEFI machines get the signed shim, which loads a signed GRUB: short for `loaders:` with shimx64.efi, shimaa64.efi, shimia32.efi.",
      ),
    ),
  },
  { ...closed, title: 'role.yaml', description: 'What a machine becomes.' },
);
export type RawRole = Static<typeof RoleSchema>;
