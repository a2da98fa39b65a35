import { type Static, Type } from 'typebox';
import { address, DOMAIN_PATTERN, IPV4_PATTERN, words } from '../document/text-schemas.ts';
import { POWER_KINDS } from '../machine/power.ts';

const file = (description: string, example: string) =>
  Type.String({
    ...words('^/[^\\u0000-\\u001f]+$', `an absolute path such as ${example}`),
    maxLength: 4096,
    description,
    examples: [example],
  });

/** One map for all kinds, since problems are told best of one map; build-power.ts knows which key is of which kind. */
export const PowerSchema = Type.Object(
  {
    kind: Type.Enum([...POWER_KINDS], { description: 'How the machine is turned on and off.' }),
    url: Type.Optional(
      Type.String({
        // Without TLS the password would be read by whoever listens.
        ...words('^https://[^\\s/?#@]+/?$', 'a URL such as https://10.77.1.5'),
        maxLength: 255,
        description: 'redfish: the management controller.',
        examples: ['https://10.77.1.5'],
      }),
    ),
    address: Type.Optional(
      Type.String({
        ...words(`^${IPV4_PATTERN}$|${DOMAIN_PATTERN}`, 'an IPv4 address or a name such as 10.77.1.5'),
        maxLength: 253,
        description: 'ipmitool: the management controller.',
        examples: ['10.77.1.5'],
      }),
    ),
    user: Type.Optional(
      Type.String({
        ...words('^[A-Za-z0-9_.@][^\\s:]*$', 'the name of a user'),
        maxLength: 64,
        description: 'redfish, ipmitool: who logs in at the management controller.',
        examples: ['tinderbox'],
      }),
    ),
    passwordFile: Type.Optional(
      file(
        'redfish, ipmitool: a file with the password in its first line, which only the user that Tinderbox runs as may read.',
        '/etc/tinderbox/secrets/bmc-7',
      ),
    ),
    system: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        description: 'redfish: the Id of the system, where a controller has several.',
        examples: ['437XR1138R2'],
      }),
    ),
    ca: Type.Optional(
      file('redfish: the authority that its certificate is from, as PEM.', '/etc/tinderbox/bmc-ca.pem'),
    ),
    insecure: Type.Optional(
      Type.Boolean({
        description: 'redfish: do not look at its certificate. Who is between learns the password.',
        default: false,
      }),
    ),
    interface: Type.Optional(
      Type.String({
        ...words('^[^\\s/]{1,15}$', 'a name such as enp0s8 or lanplus'),
        description:
          'wake-on-lan: the provisioning interface to send from, absent: where the machine was heard | ipmitool: lanplus (the default) or lan.',
        examples: ['enp0s8'],
      }),
    ),
    broadcast: Type.Optional(address('wake-on-lan: where to send to.', '10.77.0.255')),
  },
  {
    additionalProperties: false,
    description: 'How `tinderbox power` and `tinderbox reboot` turn the machine on and off.',
    examples: [
      { kind: 'redfish', url: 'https://10.77.1.5', user: 'tinderbox', passwordFile: '/etc/tinderbox/bmc' },
    ],
  },
);
export type RawPower = Static<typeof PowerSchema>;
