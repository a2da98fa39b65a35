import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';

const PROGRAM = join(import.meta.dirname, '../../src/lab/apply-cloud-config.awk');

interface FileEntry {
  readonly path: string;
  readonly permissions?: string;
  readonly content?: string;
}

/** As the live image does it: busybox's awk, and a shell whose umask keeps others out. */
function apply(root: string, text: string) {
  return spawnSync('sh', ['-c', 'umask 077; exec busybox awk -v root="$1" -f "$2"', 'sh', root, PROGRAM], {
    input: text,
    encoding: 'utf8',
  });
}

const documents: Readonly<Record<string, string>> = {
  'blocks, quotations and plain values': `#cloud-config
hostname: "node-1"
# a comment
write_files:
  - path: /etc/motd   # trailing comment
    permissions: '0644'
    owner: root:root
    content: "Hello \\"you\\"\\n\\ttab \\\\ / é"
  - content: 'it''s # no comment'
    path: "/a b/c'd"
    permissions: "0600"

  - path: /opt/script
    permissions: '0755'
    content: |
      #!/bin/sh
      # a comment of the script

      if true; then
        echo '- path: /evil'
      fi
      write_files: no

ssh_authorized_keys:
  - path: /not/a/file
`,
  'every way to end a block': `write_files:
- path: /strip
  content: |-
    text

- path: /keep
  content: |+
    text

- path: /clip
  content: |
    text


- path: /leading
  content: |2
      two spaces before
    and none
- path: /empty
  content: ''
- path: /empty-block
  content: |
- path: /last
  content: |
    at the end, without a line break`,
  'no files': '#cloud-config\nwrite_files: []\nhostname: x\n',
  'other lists only': 'coreos:\n  units:\n    - name: a\n      content: |\n        [Unit]\n',
};

for (const [name, text] of Object.entries(documents)) {
  t.test(`writes what a YAML parser reads: ${name}`, async (t) => {
    const root = t.testdir();
    const { status, stderr } = apply(root, text);
    t.equal(status, 0, stderr);
    const expected = (parse(text) as { write_files?: readonly FileEntry[] }).write_files ?? [];
    for (const { path, permissions = '0644', content = '' } of expected) {
      t.equal(readFileSync(root + path, 'utf8'), content, path);
      t.equal((statSync(root + path).mode & 0o777).toString(8), Number(permissions).toString(), path);
    }
    t.notOk(existsSync(`${root}/not`), 'nothing of other lists');
  });
}

const refused: Readonly<Record<string, string>> = {
  'a relative path': 'write_files:\n  - path: etc/x\n    content: x\n',
  'no path': 'write_files:\n  - content: x\n',
  'an unknown key': 'write_files:\n  - path: /x\n    encoding: b64\n    content: eA==\n',
  'a folded block': 'write_files:\n  - path: /x\n    content: >\n      x\n',
  'a flow mapping': 'write_files:\n  - { path: /x, content: x }\n',
  'an anchor': 'write_files:\n  - path: /x\n    content: &a x\n',
  'an open quotation': 'write_files:\n  - path: "/x\n    content: x\n',
  'text after a quotation': 'write_files:\n  - path: "/x" y\n    content: x\n',
  'an unknown escape': 'write_files:\n  - path: "/x"\n    content: "\\u0041"\n',
  'permissions that are none': 'write_files:\n  - path: /x\n    permissions: rw-r--r--\n    content: x\n',
  'a mapping instead of a list': 'write_files:\n  path: /x\n',
  'a value instead of a list': 'write_files: /x\n',
};

for (const [name, text] of Object.entries(refused)) {
  t.test(`says what it cannot read instead of guessing: ${name}`, async (t) => {
    const root = t.testdir();
    const { status, stderr } = apply(root, text);
    t.equal(status, 1);
    t.match(stderr, /^line \d+: .+\n$/);
    t.notOk(existsSync(`${root}/x`), 'and writes nothing of it');
  });
}
