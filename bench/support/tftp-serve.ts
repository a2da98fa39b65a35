/* Our TFTP server alone, for measurements: `node bench/support/tftp-serve.ts FOLDER PORT [main]`. Says `ready` on stdout. */
import { createLoggers } from '../../src/logger.ts';
import { parseIpv4 } from '../../src/machine/ipv4.ts';
import { openUdpDescriptor, openUdpSocket } from '../../src/net/open-udp-socket.ts';
import { startTftpServer } from '../../src/servers/tftp.ts';
import { createBootFiles } from '../../src/servers/tftp-files.ts';
import { startTftpThread } from '../../src/start-tftp-thread.ts';

const [folder = '.', port = '0', where = 'thread'] = process.argv.slice(2);
const address = parseIpv4('127.0.0.1');
if (address === undefined) throw new Error('no address');
const counters = new Map<string, number>();
const count = (name: string, times = 1): void => void counters.set(name, (counters.get(name) ?? 0) + times);
const logger = createLoggers().tftp;
const thread =
  where === 'main'
    ? undefined
    : startTftpThread({
        openDescriptor: openUdpDescriptor,
        logger,
        onIgnored: (times) => count('tftp.ignored', times),
        onSendFailed: (times) => count('tftp.send-failed', times),
      });
const server = await startTftpServer({
  addresses: [address],
  port: Number(port),
  mtu: 65536,
  maxTransfers: 4000,
  thread,
  openSocket: openUdpSocket,
  lookup: createBootFiles({ folder, distributionFolders: [], loaderNames: [] }).lookup,
  logger,
  journal: {
    record: () => undefined,
    macAt: () => undefined,
    count,
  },
  via: 'lo',
  clock: { now: () => Date.now() },
});
console.log(`ready ${server.port}`);
process.on(
  'SIGTERM',
  () =>
    void server
      .stop({ graceMs: 0 })
      .then(() => thread?.thread.stop())
      .then(() => console.error(JSON.stringify([...counters]))),
);
