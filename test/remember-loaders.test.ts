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
  const loadersOf = rememberLoaders();
  const client = { mac: MAC, uuid: undefined, architecture: undefined };
  const ask = (giaddr: string) =>
    loadersOf(dhcpFacts(client, ip(giaddr), ip('10.77.0.1')), catalog, NO_USES)?.role;
  t.equal(ask('10.78.0.1'), 'secure');
  t.equal(ask('10.78.0.2'), undefined, 'it moved: what was remembered is of another place');
  t.equal(ask('10.78.0.1'), 'secure');
  t.equal(loadersOf(dhcpFacts(client, UNSPECIFIED, ip('10.77.0.1')), catalog, NO_USES), undefined);
  t.end();
});

t.test('the next catalog is asked anew', (t) => {
  const loadersOf = rememberLoaders();
  const facts = { mac: MAC };
  t.equal(loadersOf(facts, makeCatalog([], { roles, defaultRole: 'plain' }), NO_USES), undefined);
  const secure = makeCatalog([], { roles, defaultRole: 'secure' });
  t.equal(loadersOf(facts, secure, NO_USES)?.role, 'secure');
  t.equal(
    loadersOf(facts, secure, NO_USES),
    loadersOf(facts, secure, NO_USES),
    'the same answer, not worked out again',
  );
  t.equal(loadersOf(facts, makeCatalog([], { roles: new Map(), defaultRole: null }), NO_USES), undefined);
  t.end();
});

t.test('a `once:` that is used up counts with the next packet', (t) => {
  const entry = { mac: MAC, role: 'plain', once: 'secure', parameters: {}, line: 2 };
  const catalog = makeCatalog([entry], { roles });
  const loadersOf = rememberLoaders();
  t.equal(loadersOf({ mac: MAC }, catalog, NO_USES)?.role, 'secure');
  const used = {
    useOf: () => ({ mac: MAC, role: 'secure', since: 1, tries: 1, doneAt: 2 }),
    isUnderWay: () => false,
  };
  t.equal(loadersOf({ mac: MAC }, catalog, used), undefined);
  t.end();
});
