import type { Problem } from '../../../src/errors.ts';
import { checkMetaData, checkNetworkConfig } from '../../../src/render/check-nocloud-files.ts';
import { checkUserData } from '../../../src/render/check-user-data.ts';
import { readIgnition } from '../../../src/render/read-ignition.ts';
import { checkRenderedCloudConfig } from '../../../src/render/render-cloud-config.ts';
import { checkRaw } from '../../../src/render/render-raw.ts';
import { bytesOf, textOf } from '../engine/mutate-text.ts';
import { type FuzzTarget, hold } from '../engine/target.ts';
import { YAML_WORDS, yamlMutators } from '../formats/yaml-texts.ts';

const CLOUD = `#cloud-config
hostname: node-1
users:
  - name: core
    ssh_authorized_keys: [a]
write_files:
  - path: /etc/x
    permissions: "0644"
    content: |
      a
coreos:
  units:
    - name: x.service
      command: start
      drop_ins: [{ name: a.conf, content: b }]
`;
const BUTANE = `variant: fcos
version: 1.5.0
passwd:
  users: [{ name: core, ssh_authorized_keys: [a] }]
storage:
  files:
    - path: /etc/x
      mode: 0644
      contents: { inline: "a" }
  disks:
    - device: /dev/sda
      wipe_table: true
      partitions: [{ number: 1, size_mib: 0, label: root }]
systemd:
  units: [{ name: x.service, enabled: true, contents: "[Service]" }]
`;
const IGNITION =
  '{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/x","mode":420,"contents":{"source":"data:,a"}}]},"systemd":{"units":[{"name":"a.service","enabled":true,"contents":"[Unit]"}]}}';
const PARTS = `Content-Type: multipart/mixed; boundary="b"
MIME-Version: 1.0

--b
Content-Type: text/cloud-config

#cloud-config
hostname: x
--b
Content-Type: text/x-shellscript

#!/bin/sh
--b--
`;
const NETWORK =
  'version: 2\nethernets:\n  eth0: { match: { macaddress: "52:54:00:12:34:56" }, dhcp4: true }\n';
const KEYS = [
  ...new Set(
    [...[CLOUD, BUTANE, NETWORK, PARTS].join('\n').matchAll(/([A-Za-z0-9_-]+):/g)].map(([, key = '']) => key),
  ),
  'autoinstall',
  'instance-id',
  'runcmd',
  'filesystems',
  'raid',
  'luks',
  'links',
  'trees',
  'kernel_arguments',
];
const VALUES = [
  '"0644"',
  '0644',
  '644',
  'true',
  'yes',
  '[]',
  '{}',
  '/etc/x',
  '../x',
  'x.service',
  'data:,a',
  'data:;base64,!!',
  'http://x/',
  '3.4.0',
  '1.5.0',
  '1.99.0',
  'flatcar',
  '-1',
  '1e9',
  'null',
];

/** A byte that chooses the reader, then what a template rendered to. */
export const target: FuzzTarget = {
  what: 'what a template rendered to, read back: cloud-config, Ignition, Butane, cloud-init, JSON and YAML of any kind',
  aims: [
    'render/check-',
    'render/render-cloud-config.ts',
    'render/rendered-yaml.ts',
    'render/render-raw.ts',
    'render/read-ignition.ts',
    'render/ignition-',
    'render/convert-butane.ts',
    'render/data-url.ts',
    'document/parse-json.ts',
  ],
  maxLength: 2_000,
  seeds: () =>
    [CLOUD, BUTANE, IGNITION, CLOUD, PARTS, NETWORK, 'instance-id: a\n', IGNITION, BUTANE].map(
      (text, index) => Uint8Array.of(index, ...bytesOf(text)),
    ),
  mutators: yamlMutators(KEYS, VALUES),
  dictionary: [
    ...YAML_WORDS,
    '#cloud-config\n',
    '#!/bin/sh\n',
    '#include\n',
    '--b\n',
    '{"',
    '":',
    'Content-Type: ',
  ],
  run(input) {
    const text = textOf(input.subarray(1));
    const reader = READERS[(input[0] ?? 0) % READERS.length];
    // Joined problems may be long, and there may be one a line.
    for (const { message, line = 1, column = 1 } of reader?.(text) ?? []) {
      hold(message !== '' && message.length < 5_000, () => `a problem in ${message.length} characters`);
      hold(
        line >= 1 && line <= text.split('\n').length + 1 && column >= 1,
        () => `${line}:${column}: ${message}`,
      );
    }
  },
};

const READERS: readonly ((text: string) => readonly Problem[])[] = [
  (text) => checkRenderedCloudConfig(text, 'f'),
  (text) => readIgnition(text, 'f').problems,
  (text) => readIgnition(text, 'f').problems,
  (text) => checkUserData(text, 'f'),
  (text) => checkUserData(text, 'f'),
  (text) => checkNetworkConfig(text, 'f'),
  (text) => checkMetaData(text, 'f'),
  (text) => checkRaw(text, 'application/json', 'f'),
  (text) => checkRaw(text, 'application/yaml; charset=utf-8', 'f'),
];
