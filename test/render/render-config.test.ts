import t from 'tap';
import type { TinderboxError } from '../../src/errors.ts';
import { checkRenderedCloudConfig } from '../../src/render/render-cloud-config.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import { contextOf, roleOf } from './read-shipped-role.ts';

const HEAD = '#cloud-config\n';

const unit = (rest: string) => `coreos:\n  units:\n    - name: a.service\n      ${rest}\n`;
const file = (rest: string) => `write_files:\n  - path: /etc/a\n    ${rest}\n`;

function problemsOf(text: string): readonly string[] {
  return checkRenderedCloudConfig(HEAD + text, 'c.hbs').map(
    ({ line, column, message }) => `${line}:${column}: ${message}`,
  );
}

t.test('a rendered cloud-config is served as it is', async (t) => {
  const role = roleOf(`${HEAD}hostname: {{machine.hostname}}`);
  t.strictSame(renderConfig(role, contextOf(role)), {
    body: `${HEAD}hostname: node-123456\n`,
    contentType: 'text/cloud-config; charset=utf-8',
  });
});

t.test('everything that coreos-cloudinit takes is taken', async (t) => {
  const full = `
hostname: node-1
manage_etc_hosts: localhost
ssh_authorized_keys: [ssh-ed25519 AAAA]
users:
  - {name: a, passwd: x, gecos: g, homedir: /h, primary_group: p, shell: /bin/sh, groups: [sudo], system: true}
  - {name: b, ssh_authorized_keys: [], no_create_home: false, no_user_group: true, no_log_init: true}
write_files:
  - {path: /etc/a, content: 'x', owner: 'root:root', permissions: '0644'}
  - {path: /etc/b, content: 'aGk=', encoding: base64, permissions: "600"}
coreos:
  update: {reboot_strategy: 'off', group: stable, server: 'http://x'}
  flannel: {etcd_endpoints: 'http://x', interface: eth0}
  locksmith: {endpoint: x, window_start: Thu 04:00}
  fleet: {public_ip: x, metadata: v}
  oem: {id: x, name: v, version_id: '1', home_url: u, bug_report_url: b}
  etcd2: {name: a, heartbeat_interval: 100, proxy: 'on', debug: true}
  units:
    - {name: a.service, command: start, enable: true, runtime: true, content: "[Unit]\\n[Install]\\nWantedBy=x"}
    - {name: 10-x.network, enable: true, content: "[Match]\\nName=e*"}
    - {name: docker.service, drop_ins: [{name: 10-a.conf, content: "[Service]"}]}
    - {name: getty@tty1.service, mask: true}
    - {name: 'srv-my\\x2ddata.mount', content: "[Mount]\\nWhat=/dev/sda\\nWhere=/srv/my-data/"}
`;
  t.strictSame(problemsOf(full), []);
});

t.test(
  'what the machine would refuse or drop is refused here, with its place in the rendered text',
  async (t) => {
    const table: readonly [string, RegExp][] = [
      ['runcmd: [ls]\n', /^2:1: `runcmd` is a key of cloud-init.*write a unit/],
      ['hostnme: x\n', /^2:1: the cloud-config has no key `hostnme`; known: hostname/],
      ['hostname: a.b\n', /^2:1: `hostname` must be one DNS label/],
      ['hostname: 123\n', /^2:1: `hostname` must be text: put it in quotes/],
      ['hostname: on\n', /must be text: put it in quotes/],
      ['hostname:\n', /must be text/],
      ['hostname: [a]\n', /`hostname` must be text$/],
      ['hostname: a\nhostname: b\n', /^3:1: not YAML: .*unique/],
      ['hostname: "a\n', /not YAML/],
      ['a: &x 1\n', /./],
      ['users: {}\n', /^2:1: `users` must be a list/],
      ['users: [{passwd: x}]\n', /`users\[0\]` has no `name`/],
      [
        'users: [{name: a, ssh-authorized-keys: []}]\n',
        /spell `ssh-authorized-keys` as `ssh_authorized_keys`/,
      ],
      ['users: [{name: a}, {name: a}]\n', /user `a` stands here twice/],
      ['users: [{name: a, system: 1}]\n', /`users\[0\]\.system` must be true or false/],
      ['write-files: []\n', /spell `write-files` as `write_files`/],
      ['coreos: {write_files: []}\n', /`write_files` stands beside `coreos`/],
      ['coreos: {update: {reboot-strategy: "off"}}\n', /spell `reboot-strategy` as `reboot_strategy`/],
      ['coreos: {update: {reboot_strategy: off}}\n', /must be text: put it in quotes/],
      ['coreos: {update: {reboot_strategy: "no"}}\n', /must be best-effort, etcd-lock/],
      ['coreos: {etcd2: {snapshot_count: many}}\n', /must be a whole number/],
      ['write_files: [{content: x}]\n', /has no `path`/],
      [file('permissions: 0644'), /^4:5: `write_files\[0\]\.permissions` must be text: put it in quotes/],
      [file("permissions: 'rw'"), /three or four octal digits/],
      [file('encoding: utf8'), /must be base64, gzip/],
      [file('encoding: b64\n    content: "*"'), /^5:5: the content of `\/etc\/a` is not base64/],
      ['write_files: [{path: etc/a}]\n', /no absolute path/],
      ['write_files: [{path: /etc/../a}]\n', /no absolute path/],
      ['write_files: [{path: /etc/}]\n', /no absolute path/],
      ['write_files: [{path: /usr/bin/x}]\n', /read-only.*\/opt\/bin/],
      ['write_files: [{path: //usr/x}]\n', /read-only/],
      ['write_files: [{path: /bin/x}]\n', /read-only/],
      [
        'write_files:\n  - path: /a\n  - path: //a\n',
        /^4:5: `\/a` is written twice: write_files\[0\] is lost/,
      ],
      [unit('drop-ins: []'), /^5:7: spell `drop-ins` as `drop_ins`/],
      [unit('drop_ins: [{name: a, content: x}]'), /`a` is ignored: a drop-in ends in \.conf/],
      [unit('drop_ins: [{name: a.conf, content: v}, {name: a.conf, content: w}]'), /stands here twice/],
      [unit('drop_ins: [{name: a.conf}]'), /has no `content`/],
      [unit('command: launch'), /must be start, stop/],
      [unit('content: nothing'), /has no \[Section\]/],
      [
        unit('enable: true\n      content: "[Service]"'),
        /no \[Install\] section: `enable: true` does nothing/,
      ],
      ['coreos: {units: [{name: a}]}\n', /`a` is no unit name/],
      ['coreos: {units: [{name: ../a.service}]}\n', /no unit name/],
      ['coreos: {units: [{command: start}]}\n', /has no `name`/],
      ['coreos: {units: [{name: a.service}, {name: a.service}]}\n', /unit `a\.service` stands here twice/],
      [
        'coreos: {units: [{name: data.mount, content: "[Mount]\\nWhere=/srv/my-data"}]}\n',
        /named srv-my\\x2ddata\.mount/,
      ],
      ['- a\n', /empty or no map/],
      ['', /empty or no map/],
    ];
    for (const [text, expected] of table) t.match(problemsOf(text)[0], expected, text);
  },
);

t.test('all problems come at once, and the first is the message', async (t) => {
  const role = roleOf(`${HEAD}hostname: 1\nrun: x\n`);
  try {
    renderConfig(role, contextOf(role));
    t.fail('did not throw');
  } catch (thrown) {
    t.match(thrown, {
      code: 'invalid-template',
      message: /^config\.hbs \(rendered\):2:1: .*\(and 1 more\)$/,
    });
    t.equal((thrown as TinderboxError).problems.length, 2);
  }
});

t.test('never an empty configuration', async (t) => {
  for (const text of [
    '',
    '\n',
    'hostname: a\n',
    '#cloud-config',
    ' #cloud-config\nhostname: a\n',
    '{{#if machine.address}}#cloud-config{{/if}}',
  ]) {
    const role = roleOf(text);
    t.throws(() => renderConfig(role, contextOf(role)), { code: 'invalid-template' }, JSON.stringify(text));
  }
});

t.test('what is wrong is said without the password that it is about', (t) => {
  const role = roleOf(`${HEAD}users: [{ name: core, passwd: {{parameters.password}} }]\n`);
  const context = { ...contextOf(role), parameters: { password: '!correct-horse' } };
  try {
    renderConfig(role, context);
    t.fail('it rendered');
  } catch (thrown) {
    const { message, problems } = thrown as TinderboxError;
    t.match(message, /not YAML: Unresolved tag: \*{8}/);
    t.notMatch(JSON.stringify([message, problems]), /correct-horse/);
  }
  t.end();
});

t.test('text that begins as an alias does is a problem with a place, not a fault of the daemon', (t) => {
  t.same(problemsOf('hostname: *secret\n'), [
    '2:11: an alias (`*name`) is not resolved: text that begins with `*` must be in quotes',
  ]);
  t.end();
});

t.test('a role without a configuration says so', async (t) => {
  const { config: _config, ...role } = roleOf('');
  t.throws(() => renderConfig(role, contextOf(role)), {
    code: 'not-found',
    message: /role `test` has no configuration/,
  });
});

t.test('the verdict on one machine never serves another whose values change it', async (t) => {
  const quotes = roleOf(
    `${HEAD}hostname: {{machine.hostname}}\nwrite_files: [{path: /a, content: {{machine.mac}} }]\n`,
  );
  const context = contextOf(quotes);
  const of = (changes: Partial<typeof context.machine>) => ({
    ...context,
    machine: { ...context.machine, ...changes },
  });
  t.ok(renderConfig(quotes, of({ mac: '52:54:00:ab:cd:ef' })));
  t.ok(renderConfig(quotes, of({ mac: '52:54:00:ab:cd:ee', hostname: 'node-abcdee' })));
  // All digits below 60: a number of base 60 in YAML 1.1.
  t.throws(() => renderConfig(quotes, of({ mac: '52:54:00:12:34:56' })), { message: /must be text/ });
  t.throws(() => renderConfig(quotes, of({ mac: '52:54:00:ab:cd:ef', hostname: 'on' })), {
    message: /must be text/,
  });
  t.throws(() => renderConfig(quotes, of({ mac: '52:54:00:ab:cd:ef', hostname: 'a.b' })), {
    message: /DNS label/,
  });
  t.throws(() => renderConfig(quotes, of({ mac: '52:54:00:ab:cd:ef', hostname: '7' })), {
    message: /must be text/,
  });

  const serial = roleOf(`${HEAD}hostname: a\nwrite_files: [{path: /{{machine.serial}} }]\n`);
  t.ok(renderConfig(serial, of({ serial: 'S1' })));
  t.throws(() => renderConfig(serial, of({ serial: 'x}, {path: /x' })), { message: /written twice/ });
});
