import t from 'tap';
import { UNSPECIFIED } from '../../src/machine/ipv4.ts';
import { createThreadCarrier } from '../../src/servers/carry-in-thread.ts';
import { remoteOf } from '../../src/servers/tftp-carrier.ts';
import type { TransferEnd } from '../../src/servers/tftp-endings.ts';
import type { TransferThread } from '../../src/servers/tftp-thread.ts';

/** Ten bytes in blocks of eight are two blocks. */
const REQUEST = { kind: 'read', name: 'file', mode: 'octet', options: new Map([['blksize', '8']]) } as const;

/** A thread of which nothing was heard since it wrote down how far its transfer is. */
async function carryUpTo(acknowledged: number) {
  const thread: TransferThread = {
    ready: async () => true,
    open: () => undefined,
    close: () => undefined,
    send: () => undefined,
    reserve: () => 0,
    release: () => undefined,
    carry: () => undefined,
    figures: () => ({ acknowledged, resends: 0 }),
    quietFor: () => 5,
    end: () => undefined,
    stop: async () => undefined,
  };
  const carrier = createThreadCarrier({
    thread,
    openDescriptor: async () => ({ fd: 9, port: 4000 }),
    closeDescriptor: () => undefined,
    address: UNSPECIFIED,
    device: undefined,
    tap: { isOn: false, received: () => undefined, sent: () => undefined },
    mtu: () => 1500,
    now: () => 0,
    onStray: () => undefined,
  });
  const berth = await carrier.berth(remoteOf('10.77.0.5', 2070));
  const ends: TransferEnd[] = [];
  const bytes = Buffer.alloc(10);
  const transfer = berth?.carry({
    request: REQUEST,
    file: { bytes, kind: 'loader', name: 'file', path: '/file' },
    onEnd: (end) => void ends.push(end),
  });
  transfer?.begin();
  const quiet = transfer?.quietFor();
  transfer?.end({ kind: 'replaced', reason: 'the same client asked anew from the same port' });
  return { ends, quiet };
}

t.test('a client that has it all and asks for the next file at once has not given up', async (t) => {
  const { ends, quiet } = await carryUpTo(2);
  t.same(ends, [{ kind: 'finished', acknowledged: true }]);
  t.equal(quiet, Number.POSITIVE_INFINITY, 'the same file again is no packet in two copies');
});

t.test('one that asks anew before the last block has', async (t) => {
  const { ends, quiet } = await carryUpTo(1);
  t.match(ends, [{ kind: 'replaced' }]);
  t.equal(quiet, 5);
});
