import t from 'tap';
import type { MatchCandidate } from '../../src/boot/match-node.ts';
import { mayDelete } from '../../src/boot/may-delete.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { ip } from '../support/make-environment.ts';

const uuid = '4c4c4544-0042-3510-8052-b4c04f564a32';
const alice: MatchCandidate = {
  mac: '52:54:00:00:00:0a' as Mac,
  uuid,
  hostname: 'node-1',
  addresses: [ip('10.77.0.20')],
};
const bob: MatchCandidate = { ...alice, mac: '52:54:00:00:00:0b' as Mac };

t.test('a Node is deleted only under a name that is the machine’s, and nobody else’s', (t) => {
  const rows: [string, string, boolean, MatchCandidate?, (readonly MatchCandidate[])?][] = [
    ['its hostname', 'node-1', true],
    ['its hostname in capitals', 'NODE-1', true],
    ['its address', '10.77.0.20', true],
    ['another name, whatever the UUID', 'master-1', false],
    ['another address', '10.77.0.21', false],
    ['a machine that was given no name', 'node-1', false, { mac: alice.mac, uuid, addresses: [] }],
    ['itself among the others', 'node-1', true, alice, [alice]],
    ['a hostname that another machine has too', 'node-1', false, alice, [alice, bob]],
    ['an address that another machine has too', '10.77.0.20', false, alice, [bob]],
    ['another machine of other names', 'node-1', true, alice, [{ ...bob, hostname: 'b', addresses: [] }]],
  ];
  for (const [name, node, may, machine = alice, others = []] of rows) {
    t.equal(mayDelete({ name: node }, machine, others), may, name);
  }
  t.end();
});
