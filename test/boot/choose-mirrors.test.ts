import t from 'tap';
import {
  type AssetMirror,
  COMES_FROM_MIRROR,
  chooseMirrors,
  describePlace,
  type MirrorTrouble,
} from '../../src/boot/choose-mirrors.ts';
import { type Ipv4Network, parseNetwork } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { ip } from '../support/make-environment.ts';

const network = (text: string) => parseNetwork(text) as Ipv4Network;

const A: AssetMirror = { url: 'http://a', relay: ip('10.78.0.1') };
const B: AssetMirror = { url: 'http://b', relay: ip('10.78.0.1') };
const SUBNET: AssetMirror = { url: 'http://s', subnet: network('10.79.0.0/24') };
const BOTH: AssetMirror = { url: 'http://both', relay: ip('10.78.0.1'), subnet: network('10.79.0.0/24') };
const mac = '52:54:00:00:00:02' as Mac;
const relayed = { mac, relay: ip('10.78.0.1'), address: ip('10.78.0.50') };

const rows: readonly (readonly [string, readonly AssetMirror[], object, readonly string[]])[] = [
  ['no mirrors at all', [], relayed, []],
  ['the mirror of its relay', [A, SUBNET], relayed, ['http://a']],
  ['none of another relay', [A], { mac, relay: ip('10.78.0.2') }, []],
  ['none of a relay without one', [A], { mac }, []],
  ['the mirror of its network', [A, SUBNET], { mac, address: ip('10.79.0.9') }, ['http://s']],
  ['none of a network before it has an address', [SUBNET], { mac }, []],
  ['relay and network, both must be right', [BOTH], relayed, []],
  ['relay and network, both are', [BOTH], { ...relayed, address: ip('10.79.0.9') }, ['http://both']],
  ['two of one place, an even MAC', [A, B], relayed, ['http://a', 'http://b']],
  [
    'two of one place, an odd MAC',
    [A, B],
    { ...relayed, mac: '52:54:00:00:00:03' as Mac },
    ['http://b', 'http://a'],
  ],
  [
    'no more than three are tried',
    ['1', '2', '3', '4', '5'].map((name) => ({ ...A, url: `http://${name}` })),
    { ...relayed, mac: '52:54:00:00:00:05' as Mac },
    ['http://1', 'http://2', 'http://3'],
  ],
];
for (const [what, mirrors, facts, urls] of rows) {
  t.test(`a machine gets ${what}`, async (t) => {
    t.same(chooseMirrors(mirrors, { mac, ...facts }).urls, urls);
  });
}

t.test('half of a rack with two mirrors goes to each', async (t) => {
  const first = Array.from({ length: 40 }, (_, index) => {
    const one = `52:54:00:00:01:${(index + 16).toString(16)}` as Mac;
    return chooseMirrors([A, B], { ...relayed, mac: one }).urls[0];
  });
  t.equal(first.filter((url) => url === 'http://a').length, 20);
});

t.test('the reasons say which mirror, for which place, and what its script falls back to', async (t) => {
  const { reasons } = chooseMirrors([A, B], relayed);
  t.same(reasons, [
    'its kernel and initrd come from the mirror http://a (relay 10.78.0.1), whose downloads are not seen here; if that fails, from http://b, then here',
  ]);
  t.equal(COMES_FROM_MIRROR.exec(reasons[0] ?? '')?.[1], 'http://a', 'a diagnosis finds it');
  t.equal(describePlace(BOTH), 'relay 10.78.0.1, subnet 10.79.0.0/24');
});

const down: MirrorTrouble = ({ url }) => (url === 'http://a' ? 'it does not answer' : undefined);

t.test('a mirror with a trouble is left out, and the reasons say so', async (t) => {
  const some = chooseMirrors([A, B], relayed, down);
  t.same(some.urls, ['http://b']);
  t.match(some.reasons, [/from the mirror http:\/\/b /, /^the mirror http:\/\/a is left out: it does not/]);
  const none = chooseMirrors([A], relayed, down);
  t.same(none.urls, []);
  t.match(none.reasons, [/http:\/\/a is left out/, /come from here/]);
  t.notOk(none.reasons.some((reason) => COMES_FROM_MIRROR.test(reason)));
});
