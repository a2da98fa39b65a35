import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { maskSecrets } from '../../src/boot/mask-secrets.ts';
import type { Parameters } from '../../src/machine/role.ts';
import { renderTemplate } from '../../src/render/template-engine.ts';
import { contextOf, roleOf } from '../render/read-shipped-role.ts';

const TOKEN = `17-${'aB3_'.repeat(8)}`;
const KEY = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\nsecretsecret\n-----END EC PRIVATE KEY-----';

t.test('secrets are masked, and nothing else', async (t) => {
  const rows: [name: string, text: string, hidden: string, kept: string, parameters?: Parameters][] = [
    [
      'a session token',
      `http://10.77.0.1/boot/${TOKEN}/csr`,
      TOKEN.slice(3),
      'http://10.77.0.1/boot/17-…/csr',
    ],
    ['a private key', `a\n${KEY}\nb`, 'secretsecret', 'EC PRIVATE KEY'],
    [
      'one in base64',
      `content: ${Buffer.from(KEY).toString('base64')}`,
      Buffer.from(KEY).toString('base64'),
      'content:',
    ],
    ['a hash', "passwd: '$6$saltsalt$abcdefghijklmnop/.'", '$6$saltsalt', 'passwd: '],
    ['a yescrypt hash anywhere', 'echo $y$j9T$abc./def$0123456789abcdef', '$y$j9T', 'echo '],
    ['a plain password', 'users:\n  - plain_text_passwd: hunter2', 'hunter2', 'plain_text_passwd: '],
    [
      'a join token',
      'kubeadm join --token abcdef.0123456789abcdef',
      '0123456789abcdef',
      'kubeadm join --token ',
    ],
    ['a password in a URL', 'proxy=http://joe:hunter2@proxy:3128/', 'hunter2', 'http://joe:'],
    [
      'a private key in a data URL',
      `{"source":"data:,x%0A${encodeURI(KEY)}%0Ay","mode":384}`,
      'secretsecret',
      '","mode":384}',
    ],
    [
      'a password that has a name in a data URL',
      '{"source":"data:,user:%20joe%0Apassword:%20hunter2%0A"}',
      'hunter2',
      'user:%20joe%0Apassword:%20',
    ],
    [
      'one in base64 in a data URL',
      `{"source":"data:;base64,${Buffer.from('user: joe\npassword: hunter2').toString('base64')}"}`,
      Buffer.from('hunter2').toString('base64').slice(1, 8),
      'user:%20joe%0Apassword:%20',
    ],
    ['a parameter', 'wifi hunter2!', 'hunter2!', 'wifi ', { wifiPassword: 'hunter2!' }],
    ['one within', 'x: hunter2!', 'hunter2!', 'x: ', { login: { password: ['hunter2!'] } }],
    [
      'one in base64',
      `x: ${Buffer.from('hunter2!').toString('base64')}`,
      'aHVudGVyMiE',
      'x: ',
      { apiKey: 'hunter2!' },
    ],
    [
      'one within a file in base64',
      `x: ${Buffer.from('[wifi]\npassword=hunter2!\n').toString('base64')}`,
      Buffer.from('[wifi]').toString('base64').slice(0, 6),
      'x: ',
      { secret: 'hunter2!' },
    ],
    ['no public key', 'ssh-ed25519 AAAAC3Nz joe', 'nothing', 'AAAAC3Nz', { sshAuthorizedKeys: ['AAAAC3Nz'] }],
    ['no certificate', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----', 'nothing', 'MIIB'],
    ['no path', 'mount /boot/efi; cat /boot/vmlinuz', 'nothing', '/boot/efi; cat /boot/vmlinuz'],
    ['no checksum', `sha256 ${'0123456789abcdef'.repeat(4)}`, 'nothing', '0123456789abcdef'.repeat(4)],
    ['no file of a secret', 'tokenFile: /etc/token', 'nothing', '/etc/token', { tokenFile: '/etc/token' }],
    [
      'no UUID',
      'uuid 52540000-0001-4000-8000-525400000001',
      'nothing',
      '52540000-0001-4000-8000-525400000001',
    ],
  ];
  for (const [name, text, hidden, kept, parameters] of rows) {
    const masked = maskSecrets(text, parameters);
    t.notOk(masked.includes(hidden), `${name}: ${masked}`);
    t.ok(masked.includes(kept), `${name}: ${masked}`);
  }
});

t.test('every line keeps its number, and every shape of a secret is found', (t) => {
  const cases: Readonly<Record<string, readonly [text: string, secret: string]>> = {
    'a private key': [`a\n${KEY}\nb`, 'secretsecret'],
    'an indented key': [`a: |\n    ${KEY.replaceAll('\n', '\n    ')}\n`, 'secretsecret'],
    'a key in JSON': [JSON.stringify(KEY), 'secretsecret'],
    'a password by its name': ['  rootPassword: correct-horse', 'correct-horse'],
    'one in quotes': ['"api_token": "correct-horse",', 'correct-horse'],
    'one of an environment': ['      Environment=DB_PASSWORD=correct-horse', 'correct-horse'],
    'one in a map on one line': ['login: { user: joe, password: correct-horse }', 'correct-horse'],
    'a list': ['secrets: [correct-horse, b]', 'correct-horse'],
    'a block': ['password: |\n  correct-horse\n', 'correct-horse'],
    'a folded block': ['- token: >-\n    correct-horse\n  x: y', 'correct-horse'],
    'what is below a name': ['secrets:\n  db: correct-horse\n  # correct-horse\nx: y', 'correct-horse'],
    'a list below a name': ['passwords:\n- correct-horse\n', 'correct-horse'],
    'a list below a name in JSON': ['"passwords": [\n  "correct-horse"\n]', 'correct-horse'],
    'a kernel argument': [
      'kernel http://s/vmlinuz root=/dev/ram k3s.token=correct-horse quiet',
      'correct-horse',
    ],
    'one in a list': [
      "cmdline: [quiet, 'rescue.password=correct-horse', rootpw=correct-horse]",
      'correct-horse',
    ],
    'a flag': ['ExecStart=/bin/k3s agent --token=correct-horse --debug', 'correct-horse'],
    'a flag and its value': ['ExecStart=/bin/k3s agent --token correct-horse --debug', 'correct-horse'],
    'one in the middle of a shell line': ['cd /x && export API_TOKEN=correct-horse; y', 'correct-horse'],
    'a header': [
      'curl -H "Authorization: Bearer correct-horse" -H \'X-Auth-Token: correct-horse\'',
      'correct-horse',
    ],
    "curl's user": ['curl -u joe:correct-horse https://x', 'correct-horse'],
    'a netrc': ['machine x login joe password correct-horse', 'correct-horse'],
    'a URL without a user': ['redis://:correct-horse@db:6379', 'correct-horse'],
    'JSON on one line': ['{"a":{"token":"correct-horse","b":1}}', 'correct-horse'],
    'one with spaces in a map': ['{ a: b, password: very correct-horse }', 'correct-horse'],
    'a passphrase of wpa_supplicant': ['network={ ssid="x" psk="correct-horse" }', 'correct-horse'],
    'a key that was cut': [`a: |\n  ${KEY.slice(0, 70)}`, 'secretsecre'],
    'a key of PGP': [KEY.replaceAll('EC PRIVATE KEY', 'PGP PRIVATE KEY BLOCK'), 'secretsecret'],
    'a key in base64 over several lines': [
      `content: |\n  ${Buffer.from(KEY + KEY)
        .toString('base64')
        .replaceAll(/.{40}/g, '$&\n  ')}`,
      Buffer.from(KEY + KEY)
        .toString('base64')
        .slice(84, 110),
    ],
    'a web token': ['x eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl y', 'c2lnbmF0dXJl'],
  };
  for (const [name, [text, secret]] of Object.entries(cases)) {
    const masked = maskSecrets(text);
    t.notMatch(masked, secret, name);
    t.equal(masked.split('\n').length, text.split('\n').length, `${name}: as many lines`);
  }
  t.end();
});

t.test('a template is shown as it is where it holds no secret', (t) => {
  for (const text of [
    'passwordAuthentication: no',
    "proxyPassword: ''",
    'password: {{parameters.password}}',
    'secretName: web-tls',
    'tokenTtl: 24h',
    'privateKey: |',
    'credentials: { certificates: [node] }',
    'sshAuthorizedKeys: <ssh-key>',
    'kernel http://10.77.0.1/assets/vmlinuz console=ttyS0',
    'image: registry.k8s.io/pause:3.10',
    'tolerations: [{ key: node-role.kubernetes.io/control-plane, effect: NoSchedule }]',
    'credentials:\n  certificates:\n    - node\n    - administrator',
    'client-key: /etc/kubernetes/pki/admin.key',
    "initial-cluster-token: '$TOKEN'",
    'exec agent --token="$token" --key "$1" --token-file /run/token',
    '# A shell without a password: whoever sits there has the machine anyway.',
  ]) {
    t.equal(maskSecrets(text), text);
  }
  t.end();
});

t.test('a secret is found however a template writes it', (t) => {
  const parameters = {
    adminPassword: `it's 5% "of\\it`,
    wireguardSecret: 'one line of the file\nanother line of the file',
  };
  const template = [
    'chpasswd {{shell parameters.adminPassword}}',
    'ExecStart=x {{unit parameters.adminPassword}}',
    'echo {{quote parameters.adminPassword}}',
    '{{json (concat "echo " parameters.adminPassword)}}',
    'x {{indent 4 parameters.wireguardSecret}}',
  ];
  for (const text of template) {
    const rendered = renderTemplate({ file: 'x.hbs', line: 1, text }, contextOf(roleOf(text, parameters)));
    t.notMatch(maskSecrets(rendered, parameters), /5%|of.{0,3}it|line of the file/, rendered);
  }
  const inBase64 = Buffer.from(`user=root\npassphrase='pässwörd'\nnothing else\n`).toString('base64');
  t.notMatch(maskSecrets(inBase64, { passphrase: 'pässwörd' }), inBase64, 'in base64, beyond ASCII');
  const nested = JSON.stringify(`x 'it'\\''s 5% "of\\it'`);
  t.notMatch(maskSecrets(nested, parameters), /5%/, 'a word of the shell in JSON');
  t.notMatch(maskSecrets(`'it''s 5% "of\\it'`, parameters), /5%/, 'in YAML');
  t.end();
});

t.test('what ships is shown as it is', (t) => {
  const files = readdirSync('profiles', { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => /\.(?:yaml|hbs)$/.test(name))) {
    const text = readFileSync(join('profiles', file), 'utf8');
    t.equal(maskSecrets(text), text, file);
  }
  t.end();
});

t.test('no text takes longer than its length allows', (t) => {
  const texts = [
    'a.',
    '-----BEGIN PRIVATE KEY-----',
    '-----BEGIN A',
    'a://a',
    '{ a',
    'eyJaaaaaaaa',
    '$6$aaaaaaaa',
    '"a',
    ' -a',
  ];
  for (const text of texts) {
    // Each of these took a minute, or for ever, where a pattern looked at all that follows once more for each of its parts.
    t.ok(maskSecrets(text.repeat(1_000_000 / text.length)).length > 0, text);
  }
  t.end();
});
