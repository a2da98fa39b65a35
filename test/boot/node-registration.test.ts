import t from 'tap';
import { registrationOf, whyNodeIsReplaced } from '../../src/boot/node-registration.ts';
import type { NodeRegistration } from '../../src/machine/session.ts';

const role = { name: 'worker', identity: 'worker' } as const;
const taint = { key: 'a', value: 'b', effect: 'NoSchedule' };

t.test('a Node registers with its role, its name, its labels and its taints', (t) => {
  const plain = registrationOf(role, {}, 'node-1');
  t.match(plain, { role: 'worker', nodeName: 'node-1', marks: /^[0-9a-f]{16}$/ });
  const same = registrationOf(role, { labels: { a: '1', b: '2' }, image: 'x' }, 'node-1');
  t.same(registrationOf(role, { labels: { b: '2', a: '1' }, image: 'y' }, 'node-1'), same, 'in any order');
  const all = [
    plain,
    same,
    registrationOf(role, { labels: { a: '1', b: '3' } }, 'node-1'),
    registrationOf(role, { taints: [taint] }, 'node-1'),
    registrationOf(role, { taints: [{ ...taint, effect: 'NoExecute' }] }, 'node-1'),
  ];
  t.equal(new Set(all.map((one) => one?.marks)).size, all.length);
  t.end();
});

t.test('who is no Node says so, and who comes back as it was says nothing', (t) => {
  t.same(registrationOf({ name: 'etcd', identity: 'etcd' }, { labels: { a: '1' } }, 'db-1'), {
    role: 'etcd',
    marks: '',
  });
  t.equal(registrationOf({ name: 'rescue', identity: 'none' }, {}, 'node-1'), undefined);
  t.notHas(registrationOf(role, {}, undefined), { nodeName: /./ }, 'a name that is not known yet');
  t.end();
});

t.test('why a Node is replaced', (t) => {
  const now: NodeRegistration = { role: 'worker', nodeName: 'node-1', marks: 'a' };
  const rows: readonly (readonly [
    string,
    NodeRegistration | undefined,
    NodeRegistration | undefined,
    RegExp | undefined,
  ])[] = [
    ['the same', now, now, undefined],
    ['nothing known of before', now, undefined, undefined],
    ['nothing said now', undefined, now, undefined],
    ['no Node before', now, { role: 'etcd', marks: '' }, undefined],
    ['another role', now, { ...now, role: 'edge-router' }, /was edge-router and is worker now/],
    ['no Node any more', { role: 'etcd', marks: '' }, now, /was worker and is etcd now/],
    ['another name', now, { ...now, nodeName: 'node-9' }, /was called node-9 and is called node-1 now/],
    ['a name not known yet', { role: 'worker', marks: 'a' }, now, undefined],
    ['other labels', now, { ...now, marks: 'b' }, /labels or taints of role worker/],
  ];
  for (const [name, registration, formerRegistration, expected] of rows) {
    const why = whyNodeIsReplaced({
      ...(registration === undefined ? {} : { registration }),
      ...(formerRegistration === undefined ? {} : { formerRegistration }),
    });
    if (expected === undefined) t.equal(why, undefined, name);
    else t.match(why, expected, name);
  }
  t.end();
});
