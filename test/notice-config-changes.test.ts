import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { loadConfig } from '../src/config/load.ts';
import { noticeConfigChanges } from '../src/notice-config-changes.ts';

const TEXT = 'network: { interface: lo }\ndhcp: { mode: server, range: 10.77.0.100-10.77.0.199 }\n';
const CLUSTER = 'cluster: { apiServer: "https://10.77.0.1:6443" }\n';

t.test('a change of tinderbox.yaml is said once, with what it changes and how it takes effect', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-notice-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'tinderbox.yaml');
  writeFileSync(file, TEXT);
  const lines: string[] = [];
  const { config } = await loadConfig(file);
  const notice = noticeConfigChanges(config, { warn: (line: string) => void lines.push(line) } as never);
  const rows: [string, string | undefined, RegExp | undefined][] = [
    ['the same', TEXT, undefined],
    ['a comment', `# moved\n\n${TEXT}`, undefined],
    [
      'another key',
      TEXT + CLUSTER,
      /tinderbox\.yaml: changes of cluster take effect at the next start: systemctl restart tinderbox$/,
    ],
    ['again', TEXT + CLUSTER, undefined],
    ['a comment more', `${TEXT}${CLUSTER}# more\n`, undefined],
    ['two keys', TEXT.replace('199', '150') + CLUSTER, /changes of cluster, dhcp take effect/],
    ['broken', 'network: [', /was changed, and the next start would refuse it: .*not YAML/],
    ['broken as before', 'network: [', undefined],
    ['gone', undefined, /would refuse it: .*there is no such file/],
    ['mended', TEXT + CLUSTER, /changes of cluster take effect/],
    ['undone', TEXT, undefined],
    ['and done again', TEXT + CLUSTER, /changes of cluster take effect/],
  ];
  for (const [name, text, wanted] of rows) {
    if (text === undefined) rmSync(file);
    else writeFileSync(file, text);
    lines.length = 0;
    await notice.look();
    if (wanted === undefined) t.same(lines, [], name);
    else t.match(lines, [wanted], name);
    t.ok(lines.length <= 1, name);
  }
});
