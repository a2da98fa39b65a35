import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runProgram } from '../../src/lab/run-program.ts';
import { CONFIG, createSite, type Site } from './support/daemon-site.ts';
import { bootMachines, createLab, type Lab } from './support/dhcp-lab.ts';

const MAC = '52:54:00:12:34:56';
const lab: Lab = await createLab();
t.teardown(() => lab[Symbol.asyncDispose]());
const client = await lab.addClient('10.77.0.3/24');
const boot = (arch: string, until: 'loader' | 'report' = 'report') =>
  bootMachines(client, {
    interface: 'eth0',
    count: 1,
    firstMac: 0x525400123456,
    arch,
    until,
    pace: 0.1,
    timeout: 30_000,
  });

const FIELDS = [
  'frame.protocols',
  'ip.checksum.status',
  'udp.checksum.status',
  'frame.time_epoch',
  'eth.src',
  'ip.src',
  'udp.srcport',
  'ip.dst',
  'udp.dstport',
  'dhcp.option.dhcp',
  'tftp.opcode',
  'frame.cap_len',
  'frame.len',
  '_ws.expert.severity',
  '_ws.malformed',
] as const;
type Row = Readonly<Record<(typeof FIELDS)[number], string>>;

/** What Wireshark makes of a capture, with every checksum looked at. */
async function dissect(file: string): Promise<readonly Row[]> {
  const stdout = await runProgram([
    'tshark',
    '-n',
    '-r',
    file,
    '-o',
    'ip.check_checksum:TRUE',
    '-o',
    'udp.check_checksum:TRUE',
    '-T',
    'fields',
    '-E',
    'separator=|',
    '-E',
    'occurrence=a',
    ...FIELDS.flatMap((field) => ['-e', field]),
  ]);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => {
      const values = line.split('|');
      return Object.fromEntries(FIELDS.map((field, at) => [field, values[at] ?? ''])) as Row;
    });
}

async function capture(t: Test, site: Site, ...args: readonly string[]): Promise<readonly Row[]> {
  const file = join(site.folder, 'boot.pcap');
  const { code, stdout, stderr } = await site.run('machines', MAC, '--pcap', file, ...args);
  t.equal(code, 0, stderr);
  const rows = await dissect(file);
  t.match(stdout, `${file}: ${rows.length} packets of ${MAC} from 20`);
  return rows;
}

const GOOD = '1';
/** Wireshark's number for an error; sequences of it are warnings and chats. */
const ERROR = String(0x00800000);

await t.test('the packets of a boot open in Wireshark, and their checksums are right', async (t) => {
  await using site = await createSite(lab.network.namespace);
  const daemon = await site.serve();
  t.match(await site.run('machines', MAC, '--pcap', 'none.pcap'), {
    code: 1,
    stderr: /no packets of 52:54:00:12:34:56 are kept/,
  });
  const [outcome] = await boot('uefi-x64');
  t.ok(outcome?.ok, 'it boots');
  const rows = await capture(t, site);
  for (const row of rows) {
    t.equal(row['_ws.malformed'], '', `not malformed: ${row['frame.protocols']}`);
    t.notOk(row['_ws.expert.severity'].split(',').includes(ERROR), 'no error');
    t.equal(row['ip.checksum.status'], GOOD, 'IPv4');
    // Of what was cut off no checksum can be looked at.
    if (row['frame.cap_len'] === row['frame.len']) t.equal(row['udp.checksum.status'], GOOD, 'UDP');
  }
  const types = rows.flatMap((row) => (row['dhcp.option.dhcp'] === '' ? [] : [row['dhcp.option.dhcp']]));
  t.same(types.slice(0, 4), ['1', '2', '3', '5'], 'DISCOVER, OFFER, REQUEST, ACK');
  const codes = new Set(rows.map((row) => row['tftp.opcode']));
  for (const code of ['1', '3', '4', '6']) t.ok(codes.has(code), `TFTP ${code}`);
  const data = rows.filter((row) => row['tftp.opcode'] === '3');
  t.ok(data.length < 10, `a few blocks of data: ${data.length}`);
  t.ok(
    data.some((row) => Number(row['frame.cap_len']) < Number(row['frame.len'])),
    'without all of their bytes',
  );
  const [first] = rows;
  t.match(first, { 'eth.src': MAC, 'udp.srcport': '68', 'ip.dst': '255.255.255.255' });
  const times = rows.map((row) => Number(row['frame.time_epoch']));
  t.same(
    times,
    times.toSorted((a, b) => a - b),
  );
  t.ok(Math.abs((times[0] ?? 0) * 1000 - Date.now()) < 120_000, 'of today');

  const [again] = await boot('bios');
  t.ok(again?.ok);
  const sessions = JSON.parse((await site.run('machines', MAC, '--json')).stdout) as {
    session: { id: number };
  };
  const newest = sessions.session.id;
  const both = await capture(t, site);
  const one = await capture(t, site, '--session', String(newest - 1));
  t.same(one, rows, 'the first boot has its own');
  t.same(both.slice(0, one.length), one);
  t.match(both[one.length], { 'dhcp.option.dhcp': '1' }, 'the second begins with its DISCOVER');

  const { stdout, stderr } = await site.run('machines', MAC, '--pcap', '-');
  t.ok(stdout.length > 1000);
  t.match(stderr, `${both.length} packets of ${MAC}`);
  daemon.signal('SIGTERM');
  await daemon.ended;
  t.match(await site.run('machines', MAC, '--pcap', 'x'), {
    code: 1,
    stderr: /packets are kept in its memory only/,
  });
  await t.rejects(readFile(join(site.folder, 'x')));
});

await t.test('a forgotten machine leaves no packets; a stranger leaves some', async (t) => {
  await using site = await createSite(lab.network.namespace, {
    'tinderbox.yaml': `${CONFIG}admission: listed\n`,
  });
  await site.serve();
  await boot('uefi-x64', 'loader');
  const types = (await capture(t, site)).map((row) => row['dhcp.option.dhcp']);
  t.same(types, ['1', '2', '3', '5'], 'also of a machine that may not boot');
  t.equal((await site.run('forget', MAC)).code, 0);
  t.equal((await site.run('machines', MAC, '--pcap', 'x')).code, 1);
});
