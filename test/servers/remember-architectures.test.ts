import t from 'tap';
import { identifyClient, type NetworkClient } from '../../src/boot/identify-client.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { rememberArchitectures } from '../../src/servers/remember-architectures.ts';
import { IPXE, MAC, makeRequest, type RequestShape, UEFI_ROM } from '../support/make-request.ts';

const macOf = (index: number) => `number ${index}` as Mac;
const clientOf = (shape: RequestShape) => identifyClient(makeRequest(shape)).client as NetworkClient;

t.test("a ROM's DISCOVER is remembered for a minute, and nothing else", async (t) => {
  const memory = rememberArchitectures();
  memory.notice(clientOf(UEFI_ROM), 'discover', 1_000_000);
  t.equal(memory.recall(MAC, 1_060_000)?.code, 7);
  t.equal(memory.recall(MAC, 1_060_001), undefined);
  t.equal(memory.recall(MAC, 930_000), undefined, 'the time of day went back');
  t.equal(memory.recall('52:54:00:00:00:02' as Mac, 1_000_000), undefined);
  for (const [shape, type] of [
    [UEFI_ROM, 'request'],
    [IPXE, 'discover'],
    [{ vendorClass: 'udhcp 1.35.0' }, 'discover'],
    [{ vendorClass: 'PXEClient', architectures: [999] }, 'discover'],
  ] as const) {
    const other = rememberArchitectures();
    other.notice(clientOf(shape), type, 0);
    t.equal(other.recall(MAC, 0), undefined, `${shape.vendorClass} ${type}`);
  }
});

t.test('the memory is bounded: the machine that was heard longest ago goes first', async (t) => {
  const memory = rememberArchitectures();
  const client = clientOf(UEFI_ROM);
  for (let index = 0; index < 10_000; index++) memory.notice({ ...client, mac: macOf(index) }, 'discover', 0);
  memory.notice({ ...client, mac: macOf(0) }, 'discover', 0);
  memory.notice({ ...client, mac: macOf(10_000) }, 'discover', 0);
  t.ok(memory.recall(macOf(0), 0));
  t.equal(memory.recall(macOf(1), 0), undefined);
  t.ok(memory.recall(macOf(2), 0));
  t.ok(memory.recall(macOf(10_000), 0));
});
