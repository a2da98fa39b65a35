import t from 'tap';
import { checkUserData } from '../../src/render/check-user-data.ts';

const problemsOf = (body: string): readonly string[] =>
  checkUserData(body, 'u.hbs').map(({ line, column, message }) => `${line}:${column}: ${message}`);

/** Which first words cloud-init knows: its `handlers/__init__.py`. */
export const SOUND: readonly string[] = [
  '#cloud-config\nhostname: a\n',
  '#cloud-config  \nusers:\n  - default\n  - {name: joe, groups: [sudo]}\n',
  '#cloud-config\nx: &x [a]\n'.replace('x: &x [a]', 'packages: &x [a]\nbootcmd: *x'),
  '#cloud-config\nruncmd:\n  - [ls, -l]\n  - "echo a: b"\n  - null\n',
  '#cloud-config\nwrite_files:\n  - {path: /etc/a, content: !!binary aGk=, permissions: "0644", append: true}\n',
  '#cloud-config\nautoinstall: {version: 1, identity: {hostname: a, username: b, password: c}}\n',
  '#!/bin/sh\nexit 0\n',
  '#! /usr/bin/env python3\n',
  '#include\nhttp://10.77.0.1/assets/more\n# a remark\n\nhttps://example.net/x\n',
  '#include-once http://10.77.0.1/assets/more\n',
  '#cloud-boothook\n#!/bin/sh\nexit 0\n',
  '#part-handler\ndef list_types(): return []\n',
  '#cloud-config-archive\n- "#cloud-config\\nhostname: a\\n"\n- {type: text/cloud-config, content: "hostname: b"}\n',
  '## template: jinja\n#cloud-config\nhostname: {{ v1.instance_id }}\n',
  'Content-Type: multipart/mixed;\n boundary="XX"\nMIME-Version: 1.0\n\n--XX\nContent-Type: text/cloud-config\n\nhostname: a\n--XX\nContent-Type: text/x-shellscript; charset="utf-8"\n\n#!/bin/sh\n--XX--\n',
  'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=XX\n\n--XX\nContent-Type: text/cloud-config\nContent-Transfer-Encoding: base64\n\nI2Nsb3VkLWNvbmZpZwo=\n--XX--\n',
];

const mime = (part: string, end = '--XX--\n') =>
  `MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="XX"\n\n--XX\n${part}${end}`;

t.test('whatever cloud-init tells by its first line is taken', async (t) => {
  for (const body of SOUND) t.strictSame(problemsOf(body), [], body);
});

t.test(
  'what cloud-init would drop or stumble over is refused, with its place in the rendered text',
  async (t) => {
    const table: readonly [string, RegExp][] = [
      ['\n', /^1:1: it is empty/],
      [
        'hostname: a\n',
        /^1:1: cloud-init would not know what this is; it takes by their first line: #cloud-config/,
      ],
      ['\n#cloud-config\nhostname: a\n', /^1:1: cloud-init would not know/],
      [' #cloud-config\nhostname: a\n', /^1:1: the first line must be `#cloud-config` exactly/],
      ['# cloud-config\nhostname: a\n', /^1:1: the first line must be `#cloud-config` exactly/],
      ['#Cloud-Config\nhostname: a\n', /exactly/],
      ['#cloud-configs\nhostname: a\n', /^1:1: cloud-init would not know/],
      ['#!ipxe\nboot\n', /^1:1: cloud-init would not know/],
      ['#cloud-config\n', /^1:1: the cloud-config is empty or no map/],
      ['#cloud-config\n{}\n', /empty or no map/],
      ['#cloud-config\n- a\n', /empty or no map/],
      ['#cloud-config\nhostname: [\n', /not YAML/],
      ['#cloud-config\nhostname: a\nhostname: b\n', /^3:1: not YAML/],
      ['#cloud-config\nruncmd: *none\n', /^2:9: an alias .* is not resolved/],
      ['#cloud-config\n\nhostnme: a\n', /^3:1: cloud-init knows no key `hostnme`; did you mean `hostname`\?/],
      [
        '#cloud-config\nwrite-files: []\n',
        /^2:1: cloud-init knows no key `write-files`; did you mean `write_files`\?/,
      ],
      ['#cloud-config\ncoreos: {}\n', /^2:1: `coreos` is a key of coreos-cloudinit/],
      ['#cloud-config\nhostname: 12\n', /^2:1: `hostname` must be text: put it in quotes/],
      ['#cloud-config\npackages: vim\n', /^2:1: `packages` must be a list/],
      ['#cloud-config\npackage_update: "yes"\n', /^2:1: `package_update` must be true or false/],
      ['#cloud-config\napt: []\n', /`apt` must be a map/],
      ['#cloud-config\nruncmd:\n  - ls\n  - echo a: b\n', /^4:5: a command of `runcmd` is a map to YAML/],
      ['#cloud-config\nbootcmd: [[sleep, 5]]\n', /a command of `bootcmd` is a text, or a list of texts/],
      ['#cloud-config\nwrite_files:\n  - content: a\n', /^3:5: a file of `write_files` has no `path`/],
      ['#cloud-config\nwrite_files: [/etc/a]\n', /a file of `write_files` must be a map/],
      [
        '#cloud-config\nwrite_files:\n  - path: /etc/a\n    permissions: 0644\n',
        /^4:5: `permissions` must be text: put it in quotes/,
      ],
      [
        '#cloud-config\nwrite_files:\n  - path: /etc/a\n    contents: x\n',
        /^4:5: a file of write_files has no key `contents`; did you mean `content`\?/,
      ],
      ['#cloud-config\nautoinstall: {identity: {}}\n', /^2:1: `autoinstall` has no `version: 1`/],
      ['#include\n', /names no URL/],
      ['#include\n\nnot a url\n', /^3:1: each line below `#include` is a URL/],
      ['#cloud-boothook\n \n', /nothing follows its first line/],
      ['#cloud-config-archive\na: b\n', /is a list of parts/],
      [
        '#cloud-config-archive\n- {type: text/cloud-config}\n',
        /^2:3: a part is a text, or a map with `content`/,
      ],
      ['## template: jinja\nhostname: a\n', /^2:1: below `## template: jinja` must stand/],
      ['MIME-Version: 1.0\n\nhello\n', /^1:1: its headers name no `Content-Type: multipart/],
      [mime('', ''), /the line that ends the multipart/],
      ['MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="XX"\n\n--XX--\n', /has no part/],
      [mime('Content-Type: text/html\n\nx\n'), /^7:1: cloud-init has no handler for the type of this part/],
      [mime('Content-Type: text/x-shellscript\n\necho\n'), /^7:1: a script begins with `#!`/],
      [mime('Content-Type: text/cloud-config\n\nhostnme: a\n'), /^7:1: cloud-init knows no key `hostnme`/],
      [
        mime('Content-Type: text/cloud-config\n\n#cloud-config\nhostnme: a\n'),
        /^8:1: cloud-init knows no key/,
      ],
      [mime('Content-Type: text/plain\n\nhello\n'), /^7:1: cloud-init would not know what this is/],
    ];
    for (const [body, expected] of table)
      t.match(problemsOf(body)[0] ?? 'nothing', expected, JSON.stringify(body));
  },
);
