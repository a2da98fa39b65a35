import t from 'tap';
import { MASK, maskSecrets } from '../../src/render/mask-secrets.ts';

const SECRET = 'correct-horse';

t.test('no secret is left, whatever shape it has', (t) => {
  const cases: Readonly<Record<string, readonly [text: string, secret: string]>> = {
    'a private key': [
      '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nAAAABBBBCCCC==\n-----END PRIVATE KEY-----\n',
      'AAAABBBBCCCC',
    ],
    'an indented key': [
      'a: |\n    -----BEGIN EC PRIVATE KEY-----\n    MIIEvQIBADANBgkq\n    -----END EC PRIVATE KEY-----\n',
      'MIIEvQIBADANBgkq',
    ],
    'a key in JSON': [
      '"-----BEGIN RSA PRIVATE KEY-----\\nMIIEvQIBADANBgkq\\n-----END RSA PRIVATE KEY-----"',
      'MIIEvQIBADANBgkq',
    ],
    'a password hash': ['passwd: x\n  - $6$rounds=4096$abcdefgh$ABCDEFGHIJ', 'ABCDEFGHIJ'],
    'a yescrypt hash': ["'$y$j9T$abcdefgh$ABCDEFGHIJ'", 'ABCDEFGHIJ'],
    'a password by its name': ['  rootPassword: correct-horse', SECRET],
    'one in quotes': ['"api_token": "correct-horse",', SECRET],
    'one of an environment': ['      Environment=DB_PASSWORD=correct-horse', SECRET],
    'a bootstrap token': ['kubeadm join --token abcdef.0123456789abcdef', '0123456789abcdef'],
    'a web token': ['x eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl y', 'c2lnbmF0dXJl'],
    'the password of a URL': ['proxy: http://me:correct-horse@proxy:3128', SECRET],
    'the token of a session': [
      'http://s/boot/12-abcdefghijklmnopqrstuvwxyz012345/cloud-config',
      'abcdefghijkl',
    ],
  };
  for (const [name, [text, secret]] of Object.entries(cases)) {
    const masked = maskSecrets(text);
    t.notMatch(masked, secret, name);
    t.equal(masked.split('\n').length, text.split('\n').length, `${name}: as many lines`);
  }
  t.end();
});

t.test('the value of a secret parameter is masked wherever it was rendered to', (t) => {
  const parameters = {
    grafana: { adminPassword: SECRET, port: 3000 },
    keys: { secret: ['first-one', 'two2'] },
  };
  const base64 = Buffer.from(SECRET).toString('base64').replaceAll('=', '');
  const masked = maskSecrets(`run --with ${SECRET} ${base64} first-one two2 3000`, [parameters]);
  t.equal(masked, `run --with ${MASK} ${MASK} ${MASK} ${MASK} 3000`);
  t.end();
});

t.test('what is no secret stays as it is', (t) => {
  for (const text of [
    'tokenFile: /etc/token',
    'passwordAuthentication: no',
    "proxyPassword: ''",
    'password: {{parameters.password}}',
    'secretName: web-tls',
    'tokenTtl: 24h',
    'ssh_authorized_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB"]',
    '-----BEGIN CERTIFICATE-----\nMIIEvQIBADANBgkq\n-----END CERTIFICATE-----',
    'kernel http://10.77.0.1/assets/vmlinuz console=ttyS0',
    'image: registry.k8s.io/pause:3.10',
  ]) {
    t.equal(maskSecrets(text), text);
  }
  t.end();
});
