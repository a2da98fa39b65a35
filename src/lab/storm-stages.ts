import type { ClientStepName } from './virtual-client-types.ts';

/** What a storm's report has a line for, in the order in which a machine goes through them. */
export const STORM_STAGES = [
  'rom-dhcp',
  'loader',
  'ipxe-dhcp',
  'script',
  'kernel',
  'initrd',
  'os-dhcp',
  'config',
  'certificate',
  'report',
] as const;
export type StormStage = (typeof STORM_STAGES)[number];

/** Where a machine of a storm stands. `waiting`: it was told to. */
export type StormPlace = 'off' | StormStage | 'waiting' | 'booted' | 'failed';

const STAGE_OF: Readonly<Record<ClientStepName, StormStage>> = {
  'rom-discover': 'rom-dhcp',
  'rom-request': 'rom-dhcp',
  'rom-proxy': 'rom-dhcp',
  'tftp-size': 'loader',
  'tftp-read': 'loader',
  'http-loader': 'loader',
  'ipxe-discover': 'ipxe-dhcp',
  'ipxe-request': 'ipxe-dhcp',
  'ipxe-proxy': 'ipxe-dhcp',
  'boot-script': 'script',
  script: 'script',
  kernel: 'kernel',
  initrd: 'initrd',
  'local-disk': 'script',
  'os-discover': 'os-dhcp',
  'os-request': 'os-dhcp',
  config: 'config',
  certificate: 'certificate',
  report: 'report',
};

export function stageOf(step: ClientStepName): StormStage {
  return STAGE_OF[step];
}

/** Where a machine stands when it has done a step: in the stage of the next one that most machines do. */
export function stageAfter(step: ClientStepName): StormStage {
  switch (step) {
    case 'rom-discover':
      return 'rom-dhcp';
    case 'rom-request':
    case 'rom-proxy':
    case 'tftp-size':
      return 'loader';
    case 'tftp-read':
    case 'http-loader':
    case 'ipxe-discover':
      return 'ipxe-dhcp';
    case 'ipxe-request':
    case 'ipxe-proxy':
    case 'boot-script':
    case 'local-disk':
      return 'script';
    case 'script':
      return 'kernel';
    case 'kernel':
      return 'initrd';
    case 'initrd':
    case 'os-discover':
      return 'os-dhcp';
    case 'os-request':
      return 'config';
    case 'config':
    case 'certificate':
    case 'report':
      return 'report';
  }
}
