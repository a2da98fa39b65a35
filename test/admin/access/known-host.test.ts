import t from 'tap';
import { isKnownHost } from '../../../src/admin/access/known-host.ts';

const CASES: readonly (readonly [header: string | undefined, byNetwork: boolean, bySocket: boolean])[] = [
  ['localhost', true, true],
  ['localhost:8080', true, true],
  ['LOCALHOST.:8080', true, true],
  ['tinderbox.localhost', true, true],
  ['127.0.0.1:8080', true, true],
  ['10.77.0.1', true, true],
  ['[::1]:8080', true, true],
  ['boot.example.net', true, true],
  ['Boot.Example.Net.:8443', true, true],
  ['tinderbox', false, true],
  ['', false, true],
  [undefined, false, true],
  ['evil.example', false, false],
  ['localhost.evil.example', false, false],
  ['127.0.0.1.evil.example', false, false],
  ['boot.example.net.evil.example', false, false],
  ['evil.example#.localhost@x', false, false],
  ['[::1].evil.example', false, false],
];

for (const [header, byNetwork, bySocket] of CASES) {
  t.test(`the Host ${JSON.stringify(header)} ${byNetwork ? 'names' : 'does not name'} this server`, (t) => {
    const names = ['boot.example.net'];
    t.equal(isKnownHost(header, { names, bySocket: false }), byNetwork);
    t.equal(isKnownHost(header, { names, bySocket: true }), bySocket);
    t.end();
  });
}
