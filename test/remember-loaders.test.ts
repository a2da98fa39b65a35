import t from 'tap';
import { SHIMS } from '../src/boot/choose-loaders.ts';
import { UNSPECIFIED } from '../src/machine/ipv4.ts';
import type { Mac } from '../src/machine/mac.ts';
import { NO_USES } from '../src/machine/once.ts';
import { dhcpFacts, rememberLoaders } from '../src/remember-loaders.ts';
import { ip, makeCatalog } from './support/make-environment.ts';
import { makeRole } from './support/make-role.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const roles = new Map([
  ['plain', makeRole('plain')],
  ['secure', { ...makeRole('secure'), loaders: SHIMS }],
]);

t.test('a rule on the relay counts as soon as the packet came through it', (t) => {
  const catalog = makeCatalog([], {
    roles,
    rules: [{ match: { relay: ip('10.78.0.1') }, role: 'secure', parameters: {}, line: 3 }],
    defaultRole: 'plain',
  });
  const loadersOf = rememberLoaders(NO_USES);
  const client = { mac: MAC, uuid: undefined, architecture: undefined };
  const ask = (giaddr: string) => loadersOf(dhcpFacts(client, ip(giaddr), ip('10.77.0.1')), catalog)?.role;
  t.equal(ask('10.78.0.1'), 'secure');
  t.equal(ask('10.78.0.2'), undefined, 'it moved: what was remembered is of another place');
  t.equal(ask('10.78.0.1'), 'secure');
  t.equal(loadersOf(dhcpFacts(client, UNSPECIFIED, ip('10.77.0.1')), catalog), undefined);
  t.end();
});

t.test('the next catalog is asked anew', (t) => {
  const loadersOf = rememberLoaders(NO_USES);
  const facts = { mac: MAC };
  t.equal(loadersOf(facts, makeCatalog([], { roles, defaultRole: 'plain' })), undefined);
  const secure = makeCatalog([], { roles, defaultRole: 'secure' });
  t.equal(loadersOf(facts, secure)?.role, 'secure');
  t.equal(loadersOf(facts, secure), loadersOf(facts, secure), 'the same answer, not worked out again');
  t.equal(loadersOf(facts, makeCatalog([], { roles: new Map(), defaultRole: null })), undefined);
  t.end();
});

t.test('a once: has the loader of its role until it is used up', (t) => {
  let doneAt: number | undefined;
  const loadersOf = rememberLoaders({
    useOf: () =>
      doneAt === undefined ? undefined : { mac: MAC, role: 'secure', since: 1, tries: 1, doneAt },
    isUnderWay: () => false,
  });
  const entry = { mac: MAC, role: 'plain', once: 'secure', parameters: {}, line: 2 };
  const catalog = makeCatalog([entry], { roles });
  t.equal(loadersOf({ mac: MAC }, catalog)?.role, 'secure');
  doneAt = 2;
  t.equal(loadersOf({ mac: MAC }, catalog), undefined);
  t.end();
});
