/* Our TFTP server alone, for measurements: `node bench/support/tftp-serve.ts FOLDER PORT`. Says `ready` on stdout. */
import { createLoggers } from '../../src/logger.ts';
import { parseIpv4 } from '../../src/machine/ipv4.ts';
import { openUdpSocket } from '../../src/net/open-udp-socket.ts';
import { startTftpServer } from '../../src/servers/tftp.ts';
import { createBootFiles } from '../../src/servers/tftp-files.ts';

const [folder = '.', port = '0'] = process.argv.slice(2);
const address = parseIpv4('127.0.0.1');
if (address === undefined) throw new Error('no address');
const counters = new Map<string, number>();
const server = await startTftpServer({
  addresses: [address],
  port: Number(port),
  mtu: 65536,
  maxTransfers: 1000,
  openSocket: openUdpSocket,
  lookup: createBootFiles({ folder, distributionFolders: [], loaderNames: [] }).lookup,
  logger: createLoggers().tftp,
  journal: {
    record: () => undefined,
    macAt: () => undefined,
    count: (name) => void counters.set(name, (counters.get(name) ?? 0) + 1),
  },
  via: 'lo',
  clock: { now: () => Date.now() },
});
console.log(`ready ${server.port}`);
process.on(
  'SIGTERM',
  () => void server.stop({ graceMs: 0 }).then(() => console.error(JSON.stringify([...counters]))),
);
