import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { NetworkNamespace } from '../../src/lab/namespace.ts';
import { bootMachines, createLab, fetchInside, runUdhcpc, startDaemon } from './support/dhcp-lab.ts';

const SEND_MUTATED = fileURLToPath(new URL('support/send-mutated.ts', import.meta.url));
const COUNT = Number(process.env['TINDERBOX_FUZZ_PACKETS'] ?? 1_000_000);
/** Packets a second: what the daemon gets through beside the sender on two processors. */
const RATE = Number(process.env['TINDERBOX_FUZZ_RATE'] ?? 8_000);
const SEED = Number(process.env['TINDERBOX_FUZZ_SEED'] ?? 20_261_121);

/** Datagrams that the kernel dropped for full buffers, on all UDP sockets of the namespace. */
async function readDrops(namespace: NetworkNamespace): Promise<number> {
  const lines = (await namespace.run(['cat', '/proc/net/udp'])).trim().split('\n').slice(1);
  return lines.reduce((sum, line) => sum + Number(line.trim().split(/\s+/).at(-1)), 0);
}

for (const [index, mode] of (['server', 'proxy'] as const).entries()) {
  await t.test(
    `mutated packets do not stop the daemon (${mode} mode, seed ${SEED + index})`,
    async (test) => {
      await using lab = await createLab({ address: '10.77.0.1/16' });
      const range = mode === 'server' ? ', range: 10.77.4.0-10.77.255.254, leaseTime: 1m' : '';
      await using daemon = await startDaemon(lab.network.namespace, {
        config: `network: { interface: br0 }\ndhcp: { mode: ${mode}, probe: off${range} }\n`,
        address: '10.77.0.1',
      });
      const client = await lab.addClient('10.77.0.3/16');
      // Server mode decides more, so it gets most of them.
      const count = Math.ceil(COUNT * (mode === 'server' ? 0.7 : 0.3));
      const argv = [
        process.execPath,
        SEND_MUTATED,
        String(SEED + index),
        String(count),
        String(RATE),
        '10.77.0.1',
      ];
      const said = JSON.parse(await client.run(argv, { timeout: (count / RATE) * 4000 + 60_000 })) as {
        sent: number;
        seconds: number;
      };
      const drops = await readDrops(lab.network.namespace);
      test.comment(
        `${said.sent} packets in ${said.seconds.toFixed(1)} s, ${drops} dropped by the kernel unread`,
      );
      test.equal(daemon.running(), true, daemon.log().slice(-2000));
      // How many depends on the host, which has the sender besides: one that is busy reads less than half.
      test.ok(count - drops > count / 5, 'many of them were read');
      test.match(await fetchInside(lab.network.namespace, 'http://10.77.0.1/healthz'), /^ok/);
      if (mode === 'server') {
        const lease = await runUdhcpc(client, '52:54:00:aa:05:01');
        test.equal(lease.code, 0, lease.output);
        const [machine] = await bootMachines(client, {
          interface: 'eth0',
          count: 1,
          firstMac: 0x525400bb0500,
          arch: 'uefi-x64',
          until: 'report',
        });
        test.equal(machine?.ok, true, JSON.stringify(machine?.steps.at(-1)));
      } else {
        const [machine] = await bootMachines(client, {
          interface: 'eth0',
          count: 1,
          firstMac: 0x525400bb0600,
          arch: 'bios',
          until: 'loader',
          pace: 0.05,
        });
        test.match(machine?.steps[0]?.answered, /only proxy OFFER from 10\.77\.0\.1/);
      }
      test.notMatch(daemon.log(), /TypeError|RangeError|unhandled|Unhandled/);
      test.equal(await daemon.stop(), 0);
    },
  );
}
