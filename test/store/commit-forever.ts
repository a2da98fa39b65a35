import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

// For the test that kills it: commits leases in a loop, and prints each address once its promise resolved.
const [file = '', startText = '0'] = process.argv.slice(2);
const store = await openStore({ file, durability: 'disk' });
const machine = { mac: '52:54:00:00:00:01' as Mac, firstSeen: 1, lastSeen: 1 };
for (let address = Number(startText); ; address += 3) {
  const commits = [0, 1, 2].map(async (more) => {
    await store.commitLeases([
      {
        address: (address + more) as Ipv4,
        mac: machine.mac,
        state: 'bound',
        expiresAt: 1_000 + address,
        via: 'eth0',
      },
    ]);
    process.stdout.write(`${address + more}\n`);
  });
  void store.appendHistory({ machines: [machine], sessions: [], events: [] });
  await Promise.all(commits);
}
