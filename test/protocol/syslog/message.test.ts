import { readFileSync } from 'node:fs';
import t from 'tap';
import { decodeSyslog } from '../../../src/protocol/syslog/message.ts';
import { isUrgent, priorityOf } from '../../../src/protocol/syslog/priority.ts';
import { createRandom } from '../../soak/random.ts';

const decode = (text: string) => decodeSyslog(Buffer.from(text, 'latin1'));

t.test('what real senders say is read', async (t) => {
  const kern = { facility: 'kern', severity: 'info' } as const;
  const user = { facility: 'user', severity: 'notice' } as const;
  const rows: readonly (readonly [string, string, object])[] = [
    [
      'iPXE',
      '<6>ipxe: Configuring (net0)...... ok',
      { ...kern, program: 'ipxe', text: 'Configuring (net0)...... ok' },
    ],
    [
      'iPXE, named by DHCP',
      '<6>node-1.lab.example ipxe: net0: up',
      { ...kern, program: 'ipxe', text: 'net0: up' },
    ],
    [
      'logger --rfc3164',
      '<13>Nov 27 23:24:22 node-1 root: hello: world',
      { ...user, program: 'root', text: 'hello: world' },
    ],
    [
      'with a process, and a day of one digit',
      '<38>Nov  7 03:04:05 node-1 sshd[812]: Accepted',
      { facility: 'auth', severity: 'info', program: 'sshd', text: 'Accepted' },
    ],
    [
      "busybox's syslogd with the kernel's lines",
      '<6>Nov 27 23:24:22 live kernel: [    1.758426] virtio_net virtio0 eth0',
      { ...kern, program: 'kernel', text: '[    1.758426] virtio_net virtio0 eth0' },
    ],
    [
      "busybox's logger, without a host",
      '<13>Nov 27 23:24:22 root: hi',
      { ...user, program: 'root', text: 'hi' },
    ],
    [
      'rsyslog, RSYSLOG_ForwardFormat',
      '<30>2026-11-27T23:24:22.123456+01:00 node-1 systemd[1]: Started.',
      { facility: 'daemon', severity: 'info', program: 'systemd', text: 'Started.' },
    ],
    [
      'logger, RFC 5424',
      '<13>1 2026-11-27T23:24:22.123456+00:00 node-1 root - - [timeQuality tzKnown="1" isSynced="1"] hello',
      { ...user, program: 'root', text: 'hello' },
    ],
    [
      'RFC 5424 with brackets in its data, and a byte order mark',
      '<165>1 2003-10-11T22:14:15.003Z host app 1 ID47 [a@1 b="c\\]"][d@2 e="]"] \xef\xbb\xbftext [x]',
      { facility: 'local4', severity: 'notice', program: 'app', text: 'text [x]' },
    ],
    [
      'rsyslog, RSYSLOG_SyslogProtocol23Format',
      '<36>1 2026-11-28T00:09:19.925250+00:00 vm sshd 12 - -  by X\n',
      { facility: 'auth', severity: 'warning', program: 'sshd', text: 'by X' },
    ],
    ['RFC 5424 without a message', '<34>1 - - su - - -', undefined as never],
    [
      'netconsole, extended',
      '4,416,1758426,-,ncfrag=0/33;ACPI: bad table',
      { facility: 'kern', severity: 'warning', program: 'kernel', text: 'ACPI: bad table' },
    ],
    [
      'netconsole, plain',
      '[    1.758426] eth0: link up\n',
      { ...kern, program: 'kernel', text: '[    1.758426] eth0: link up' },
    ],
    [
      'the kernel with its priority',
      '<3>[   12.000001] Out of memory',
      {
        facility: 'kern',
        severity: 'err',
        program: 'kernel',
        text: '[   12.000001] Out of memory',
      },
    ],
    ['no program', '<14>just text', { facility: 'user', severity: 'info', text: 'just text' }],
    ['no priority at all', 'help me', { ...user, text: 'help me' }],
  ];
  for (const [name, datagram, expected] of rows)
    t.strictSame(decode(datagram), expected === undefined ? [] : [expected], name);
});

const read = (name: string) => {
  const file = new URL(`../../fixtures/syslog/${name}`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as readonly string[]).flatMap(decode);
};

t.test("a whole boot of iPXE 2.0 and of busybox's kernel log is read as what it is", async (t) => {
  const ipxe = read('ipxe-2.0.0.json');
  t.ok(ipxe.length > 15);
  for (const line of ipxe) t.match(line, { program: 'ipxe', facility: 'kern', severity: 'info' });
  t.equal(ipxe[0]?.text, 'autoexec.ipxe... Not found (https://ipxe.org/2d12618e)');
  t.ok(
    ipxe.some(({ text }) => text === 'Tinderbox: 52:54:00:12:34:56 asks what to boot'),
    "our scripts' lines, too",
  );
  const kernel = read('busybox-1.35.json');
  t.match(kernel[1], {
    program: 'kernel',
    facility: 'kern',
    severity: 'notice',
    text: /^\[    0\.000000\] Linux/,
  });
  for (const { program } of kernel) t.ok(program === 'kernel' || program === 'tinderbox', String(program));
});

t.test('a datagram may hold several lines, but not any number', async (t) => {
  t.equal(decode('[    1.000000] one\n[    1.000001] two\n').length, 2);
  t.equal(decode('a\n'.repeat(5_000)).length, 16);
});

t.test('nothing hostile gets through, and nothing throws', async (t) => {
  const hostile: readonly (readonly [string, string])[] = [
    ['\x1b[31;1mred\x1b[0m', 'red'],
    ['\x1b]0;title\x07text', '0;titletext'],
    ['<6>ipxe: a\x00b', 'a'],
    ['<6>\x1b[2Jipxe: wiped', 'ipxe: wiped'],
    ['<999>x', '<999>x'],
    ['<192>x', '<192>x'],
    ['<-1>x', '<-1>x'],
    ['<>x', '<>x'],
    ['<6', '<6'],
    ['<6>1 2 3', '1 2 3'],
    ['<34>1 - - a - - [never="ends', '[never="ends'],
    ['<34>1 - - a - - -x', '1 - - a - - -x'],
    [`<34>1 - - a - - ${'[a b="\\"]"]'.repeat(50)} end`, 'end'],
    ['<13>Nov 27 23:24:22', 'Nov 27 23:24:22'],
    ['6,1,1,-', '6,1,1,-'],
    ['99999,1,1,-;x', '99999,1,1,-;x'],
    ['<script>alert(1)</script>', '<script>alert(1)</script>'],
  ];
  for (const [datagram, text] of hostile)
    t.strictSame(decode(datagram)[0]?.text, text, JSON.stringify(datagram));
  for (const empty of ['', '\0', '\n\n', '<6>', '<6> ', '\x1b[0m'])
    t.strictSame(decode(empty), [], JSON.stringify(empty));
  t.match(decodeSyslog(Buffer.from('\u202etxt.exe')), [{ text: 'txt.exe' }], 'no bidirectional override');
  t.match(decodeSyslog(Uint8Array.of(0xff, 0xfe, 0x41)), [{ text: 'A' }], 'no UTF-8');
});

t.test('a large datagram takes no time, and a part of it is looked at', async (t) => {
  for (const piece of ['a', '<6>', '[', '\\', '"', ' ', '1 ', '[    1.', '6,1,', ']'])
    for (const head of ['', '<6>', '<6>1 - - a - - [', '<6>Nov 27 23:24:22 ']) {
      const [line] = decode(head + piece.repeat(65_000 / piece.length));
      t.ok((line?.text.length ?? 0) <= 8_192);
    }
});

t.test('random bytes, and messages with random changes, are read to something printable', async (t) => {
  const seed = Number(process.env.TINDERBOX_FUZZ_SEED ?? Date.now() % 1_000_000);
  t.comment(`TINDERBOX_FUZZ_SEED=${seed}`);
  const dice = createRandom(seed);
  const samples = [
    '<13>1 2026-11-27T23:24:22.123456+00:00 node-1 root - - [timeQuality tzKnown="1"] hello',
    '<38>Nov  7 03:04:05 node-1 sshd[812]: Accepted',
    '4,416,1758426,-,ncfrag=0/33;ACPI: bad table',
  ].map((text) => Buffer.from(text));
  for (let run = 0; run < 20_000; run++) {
    const bytes = Buffer.from(dice.pick(samples));
    for (let change = dice.below(6); change >= 0; change--) bytes[dice.below(bytes.length)] = dice.below(256);
    const cut = bytes.subarray(0, dice.below(bytes.length + 1));
    for (const { text, program = 'x' } of decodeSyslog(cut)) {
      // oxlint-disable-next-line no-control-regex
      if (text === '' || /[\u0000-\u001f\u007f-\u009f]/.test(`${text}${program}`))
        t.fail(JSON.stringify([...cut]));
    }
  }
});

t.test('priorities are those of RFC 5424', async (t) => {
  t.strictSame(priorityOf(0), { facility: 'kern', severity: 'emerg' });
  t.strictSame(priorityOf(191), { facility: 'local7', severity: 'debug' });
  t.equal(priorityOf(192), undefined);
  t.ok(isUrgent('warning'));
  t.notOk(isUrgent('notice'));
});
