import t from 'tap';
import { isSameNode, printable, readNode, versionOf } from '../../src/cluster/read-node.ts';

const conditions = [
  { type: 'DiskPressure', status: 'True' },
  { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' },
];

t.test('of a Node its name, readiness, machine and boot are read', (t) => {
  const json = {
    metadata: { name: 'node-1', resourceVersion: '17' },
    status: {
      conditions,
      nodeInfo: { systemUUID: '4C4C', bootID: 'b1', kernelVersion: '6' },
      addresses: [
        { type: 'InternalIP', address: '10.77.0.20' },
        { type: 'Hostname', address: 'node-1' },
      ],
    },
  };
  const node = {
    name: 'node-1',
    ready: true,
    reason: 'KubeletReady: kubelet is posting ready status',
    systemUuid: '4C4C',
    bootId: 'b1',
    addresses: ['10.77.0.20', 'node-1'],
    version: '17',
  };
  t.same(readNode(json), node);
  t.equal(versionOf(json), '17');
  for (const status of ['False', 'Unknown', true, undefined]) {
    const other = { ...json, status: { ...json.status, conditions: [{ type: 'Ready', status }] } };
    t.match(readNode(other), { ready: false, reason: '' }, String(status));
  }
  t.same(readNode({ metadata: { name: 'node-1' } }), {
    name: 'node-1',
    ready: false,
    reason: 'its kubelet has not reported yet',
    addresses: [],
  });
  t.end();
});

t.test('what is no Node is none, and what is odd in one is left out', (t) => {
  for (const json of [undefined, null, 1, 'x', [], {}, { metadata: null }, { metadata: { name: ['a'] } }]) {
    t.equal(readNode(json), undefined, JSON.stringify(json));
    t.equal(versionOf(json), undefined);
  }
  const metadata = { name: 'n' };
  const odd = [
    null,
    5,
    { conditions: 'Ready', nodeInfo: 7, addresses: {} },
    {
      conditions: [null, 5, { type: 'Ready', status: 1 }],
      nodeInfo: null,
      addresses: [null, { address: 5 }],
    },
    { nodeInfo: { systemUUID: '', bootID: ' ' } },
  ];
  for (const status of odd) {
    t.match(
      readNode({ metadata, status }),
      { name: 'n', ready: false, addresses: [] },
      JSON.stringify(status),
    );
    t.notOk('bootId' in (readNode({ metadata, status }) ?? {}));
  }
  t.equal(readNode({ metadata: { name: 'x'.repeat(254) } }), undefined);
  t.end();
});

t.test('texts are bounded and printable', (t) => {
  const message = `\u001b[2Jred\u0007\n${'x'.repeat(10_000)}`;
  const status = { conditions: [{ type: 'Ready', status: 'False', reason: 'R', message }] };
  const { reason = '' } = readNode({ metadata: { name: 'n' }, status }) ?? {};
  t.equal(reason.length, 240);
  t.match(reason, /^R: {2}\[2Jred x+…$/);
  const addresses = Array.from({ length: 100 }, (_, index) => ({ address: `10.0.0.${index}` }));
  t.equal(readNode({ metadata: { name: 'n' }, status: { addresses } })?.addresses.length, 16);
  t.equal(printable('a\u202eb\u0000\u0001c', 10), 'a b c');
  t.ok(printable(`${'x'.repeat(8)}😀😀`, 10).isWellFormed());
  t.end();
});

t.test('two states of a Node are the same if nothing of it changed that matters', (t) => {
  const node = { name: 'n', ready: true, reason: 'r', systemUuid: 'u', bootId: 'b', addresses: ['a'] };
  t.ok(isSameNode(node, structuredClone(node)));
  const others = [
    { ready: false },
    { reason: 'x' },
    { systemUuid: 'x' },
    { bootId: 'x' },
    { addresses: ['x'] },
    { addresses: [] },
  ];
  for (const other of others) t.notOk(isSameNode(node, { ...node, ...other }), JSON.stringify(other));
  t.end();
});
