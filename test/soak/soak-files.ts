import { machineMac } from './hall-port.ts';
import type { Random } from './random.ts';

/** Seconds. Short, so that addresses come free and are given anew while it lasts. */
export const LEASE_TIME = 90;

const CONFIG = `network: { interface: br0 }
dhcp: { mode: server, probe: off, range: 10.77.16.0-10.77.255.250, leaseTime: ${LEASE_TIME}s }
admin: { socket: ./admin.sock }
history: { keep: 5m, maxSize: 16MiB }
`;
const role = (name: string): string => `description: A machine of the soak, ${name}
boot:
  kernel: /assets/vmlinuz
  initrd: [/assets/initrd.gz]
  cmdline: ['cloud-config-url={{configUrl}}', 'tinderbox.report={{reportUrl}}', console=ttyS0]
config: { format: cloud-config, template: cloud-config.yaml.hbs }
parameters: { edition: one }
`;
const template = (edition: number): string => `#cloud-config
# edition ${edition}
hostname: {{machine.hostname}}
write_files:
  - path: /etc/role
    content: {{role}} {{machine.mac}} {{parameters.edition}}
`;

export const BROKEN_MACHINES = [
  'machines: [\n',
  'default: nobody\n',
  'machines:\n  52:54:00:00:00:00: { role: worker, adress: 10.77.2.1 }\ndefault: worker\n',
  'machines:\n  52:54:00:00:00:00: { role: worker, address: 10.99.0.1 }\ndefault: worker\n',
] as const;

/** machines.yaml: every second of those listed has a reservation, and roles and parameters as chance has it. */
export function machinesYaml(listed: number, random: Random): string {
  const entries = Array.from({ length: listed }, (_, index) => {
    const address = index % 2 === 0 ? `, address: 10.77.2.${index + 1}` : '';
    const parameters = `parameters: { edition: '${random.below(100)}' }`;
    return `  ${machineMac(index)}: { role: ${random.pick(['worker', 'other'])}${address}, ${parameters} }`;
  });
  return `machines:\n${entries.join('\n')}\nrules:\n  - match: { arch: x86_64 }\n    role: worker\ndefault: other\n`;
}

export function templateFile(random: Random): string {
  return template(random.below(1_000));
}

export function kernelFile(random: Random): Uint8Array {
  return new Uint8Array(100_000 + random.below(300_000)).fill(1 + random.below(250));
}

export function soakFiles(listed: number, random: Random): Readonly<Record<string, string | Uint8Array>> {
  return {
    'tinderbox.yaml': CONFIG,
    'profiles/machines.yaml': machinesYaml(listed, random),
    'profiles/worker/role.yaml': role('a worker'),
    'profiles/worker/cloud-config.yaml.hbs': template(0),
    'profiles/other/role.yaml': role('another one'),
    'profiles/other/cloud-config.yaml.hbs': template(0),
    'assets/vmlinuz': kernelFile(random),
    'assets/initrd.gz': new Uint8Array(300_000).fill(2),
  };
}
