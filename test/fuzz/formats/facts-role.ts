import type { Role, TemplateSource } from '../../../src/machine/role.ts';
import { roleOf } from '../../render/read-shipped-role.ts';

/** Every way in which a template may put what a machine says of itself into a text, with the helper that is for it. */
const TEMPLATE = `#cloud-config
hostname: {{machine.hostname}}
write_files:
  - path: /quote
    content: {{quote machine.serial}}
  - path: /json
    content: {{quote (json machine)}}
  - path: /base64
    encoding: b64
    content: "{{base64 machine.product}}"
  - path: /quotedShell
    content: {{quote (concat "x=" machine.manufacturer)}}
  - path: /indent
    content: |
      {{indent 6 (json machine.serial)}}
  - path: /label
    content: rack={{default machine.labels.rack "none"}} # a comment
  - path: /bare
    content: {{quote (default machine.labels.region "none")}}
`;
const WORDS = `#cloud-config
coreos:
  units:
    - name: x.service
      content: |
        [Service]
        ExecStart=/bin/x {{unit machine.serial}} {{unit (concat "--p=" machine.product)}}
        Environment=RACK={{default machine.labels.rack "none"}}
write_files:
  - path: /line
    content: |
      a={{oneLine machine.serial}}
  - path: /shell
    content: |
      x={{shell machine.serial}} y={{shell machine.product}}
`;

const source = (text: string): TemplateSource => ({ file: 'role.yaml', text, line: 5 });

/** With labels, the one fact that may stand bare, in the boot block. */
function bootOf(role: Role): Role {
  if (role.boot.kind !== 'kernel') return role;
  const cmdline = [
    source('console=ttyS0'),
    source('rack={{default machine.labels.rack "none"}} url={{configUrl}}'),
  ];
  return { ...role, boot: { ...role.boot, cmdline } };
}

export const TEXTS_ROLE = bootOf(roleOf(TEMPLATE));
export const WORDS_ROLE = bootOf(roleOf(WORDS));
