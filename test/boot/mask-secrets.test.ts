import t from 'tap';
import { maskSecrets } from '../../src/boot/mask-secrets.ts';
import type { Parameters } from '../../src/machine/role.ts';

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
  ]) {
    t.equal(maskSecrets(text), text);
  }
  t.end();
});
