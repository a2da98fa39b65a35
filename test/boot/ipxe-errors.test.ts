import t from 'tap';
import { decodeIpxeErrno, wordsOfFile } from '../../src/boot/ipxe-errno.ts';
import { explainIpxeError, explainIpxeErrors, ipxeErrorReasons } from '../../src/boot/ipxe-errors.ts';

t.test('a number is taken apart as include/errno.h puts it together', async (t) => {
  t.strictSame(decodeIpxeErrno('3e11628e'), {
    code: '3e11628e',
    posix: 0x3e,
    file: 0x11_6000,
    which: 2,
    platform: 0x8e,
  });
  t.equal(decodeIpxeErrno('c1ee9d72').code, '3e11628e', 'also where it is shown as a negative number');
  t.equal(decodeIpxeErrno('40ee119').code, '040ee119');
});

t.test('what people meet is in the table', async (t) => {
  const rows: readonly (readonly [string, RegExp, RegExp])[] = [
    ['040ee119', /no way to configure the network card/, /no DHCP server answered/],
    ['040ee186', /no way to configure the network card/, /VLAN/],
    ['3e11618e', /DNS name does not exist/, /address/],
    ['3e11628e', /no DNS server is known/, /dhcp\.dns/],
    ['3e11623b', /no DNS server is known/, /dhcp\.dns/],
    ['2d0c613b', /\(404\)/, /tinderbox check/],
    ['2d0c618e', /\(404\)/, /paths\.assets/],
    ['1d0c6539', /failed \(5xx\)/, /timeline/],
    ['1d0c6139', /unknown status/, /timeline/],
    ['020c613c', /\(401\)/, /password/],
    ['38086101', /no link \(the network card\)/, /cable/],
    ['38086193', /no link/, /spanning tree/],
    ['4c106035', /DHCP timed out/, /no DHCP server/],
    ['4c126035', /TFTP timed out/, /MTU/],
    ['2d12618e', /TFTP server does not have/, /autoexec\.ipxe/],
    ['28086090', /not sent/, /normal/],
    ['2a086089', /not sent/, /normal/],
    ['2d12603b', /TFTP server does not have/, /timeline/],
    ['4c0a6035', /TCP connection timed out/, /firewalls/],
    ['4c376092', /ARP/, /netmask/],
    ['2e022001', /command that this iPXE does not know/, /no script/],
    ['2e008001', /cannot start what was downloaded/, /another architecture/],
    ['2e008081', /cannot start what was downloaded/, /EFI stub/],
    ['7f04819a', /may not load/, /Secure Boot/],
    ['7f04828f', /may not start/, /Secure Boot/],
    ['7f048183', /cannot load/, /another architecture/],
    ['0216e63c', /authority is not trusted/, /TRUST=/],
    ['0216eb8f', /no certificate of the server leads/, /http/],
    ['0216e43c', /expired, or not valid yet/, /clock/],
    ['410de13c', /ended the TLS handshake/, /TLS 1\.3/],
    ['31852006', /not enough memory \(code of this processor architecture\)/, /smaller initrd/],
    ['0e0a6038', /refused \(TCP\)/, /nothing listens/],
    ['28056011', /no route to that network \(IPv4\)/, /dhcp\.router/],
    ['0b8080a0', /pressed a key/, /Ctrl/],
    ['34033006', /not enough space/, /memory/],
  ];
  for (const [code, meaning, advice] of rows) {
    const explained = explainIpxeError(code);
    t.match(explained.meaning, meaning, code);
    t.match(explained.advice, advice, code);
  }
});

t.test('what is not in the table says so, with what its number tells', async (t) => {
  t.strictSame(explainIpxeError('4f00e001'), { code: '4f00e001', meaning: 'EXDEV (another part)' });
  t.strictSame(explainIpxeError('7f22208e'), {
    code: '7f22208e',
    meaning: 'the firmware refused with its error 0x8e (the core)',
  });
  t.match(ipxeErrorReasons('x (https://ipxe.org/7f22208e)'), [/not in the table.*ipxe\.org\/err\/7f2220$/]);
  for (const odd of ['00000000', 'ffffffff', '80000000', '60ffffff', '000000'])
    t.type(explainIpxeError(odd).meaning, 'string');
});

const codes = (line: string) => explainIpxeErrors(line).map(({ code }) => code);

t.test('numbers are found in the lines that iPXE and our scripts print', async (t) => {
  t.strictSame(codes('http://10.77.0.1/x... No such file or directory (https://ipxe.org/2d0c618e)'), [
    '2d0c618e',
  ]);
  t.strictSame(codes('  [Link:down, TX:0 TXE:0] [Link status: Down (http://ipxe.org/38086193)]'), [
    '38086193',
  ]);
  t.strictSame(codes('Tinderbox: no script from http://10.77.0.1, error 0x2d0c613b'), ['2d0c613b']);
  t.strictSame(codes('Could not boot: Error 0x7f04828e (http://ipxe.org/7f04828e)'), ['7f04828e'], 'once');
  t.strictSame(codes('see https://ipxe.org/err/2d0c61'), ['2d0c6100'], 'six digits name a page');
  for (const none of [
    '',
    'iPXE 2.0.0 -- https://ipxe.org',
    'error 12',
    'https://ipxe.org/cmd/sanboot',
    'terror 0x12345678',
  ])
    t.strictSame(codes(none), [], none);
  t.equal(codes(Array.from({ length: 50 }, (_, n) => `ipxe.org/2d0c61${n + 10}`).join(' ')).length, 3);
});

t.test('files have words', async (t) => {
  t.equal(wordsOfFile(0x0a_6000), 'TCP');
  t.equal(wordsOfFile(0x48_4000), 'a driver');
});
