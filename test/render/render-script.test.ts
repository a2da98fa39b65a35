import t from 'tap';
import type { MachineFacts } from '../../src/machine/facts.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { Parameters, Role } from '../../src/machine/role.ts';
import { absoluteUrl, renderBootFiles } from '../../src/render/render-boot-files.ts';
import { bootstrapScript, machineScript, refusalScript, waitScript } from '../../src/render/render-script.ts';
import { ip } from '../support/make-environment.ts';
import { contextOf, roleOf } from './read-shipped-role.ts';

const url = 'http://10.77.0.1';
const facts: MachineFacts = { mac: '52:54:00:12:34:56' as Mac, arch: 'x86_64', product: 'Box', serial: 'S1' };

/** What a machine asks with: nothing in it comes from us but the address. */
const ASK =
  'http://10.77.0.1/ipxe?mac=${netX/mac:hexhyp}&uuid=${uuid}&serial=${serial:uristring}&asset=${asset:uristring}' +
  '&arch=${arch}&platform=${platform}&manufacturer=${manufacturer:uristring}&product=${product:uristring}' +
  '&hardware=ipxe&cpu=${cpumodel:uristring}&cpu-smbios=${smbios/4.16.0:uristring}&cpu-vendor=${smbios/4.7.0:uristring}' +
  '&memsize=${memsize}&ram=${smbios/19.4.8:hexraw}&ram1=${smbios/1.19.4.8:hexraw}&ram-wide=${smbios/19.15.16:hexraw}' +
  '&bios-vendor=${smbios/0.4.0:uristring}&bios-version=${smbios/0.5.0:uristring}&bios-date=${smbios/0.8.0:uristring}' +
  '&board-vendor=${smbios/2.4.0:uristring}&board=${smbios/2.5.0:uristring}' +
  '&chip=${netX/chip:uristring}&busid=${netX/busid:hexraw}&secureboot=${efi/SecureBoot:hexraw}';

const source = (text: string, index: number) => ({ file: 'role.yaml', text, line: 10 + index });

function bootRole(
  boot: { kernel?: string; initrd?: readonly string[]; cmdline?: readonly string[] },
  parameters: Parameters = {},
): Role {
  return {
    ...roleOf('', parameters),
    boot: {
      kind: 'kernel',
      kernel: source(boot.kernel ?? '/assets/vmlinuz', 0),
      initrd: (boot.initrd ?? ['/assets/initrd.img']).map(source),
      cmdline: (boot.cmdline ?? []).map(source),
    },
  };
}

function script(role: Role, changes = {}): string {
  return machineScript({ role, context: contextOf(role, changes), hostname: 'node-123456' });
}

t.test("the bootstrap script is what QEMU's ROM of 2019 and iPXE 2.x were seen to run", async (t) => {
  t.equal(
    bootstrapScript({ url }),
    `#!ipxe
echo
echo Tinderbox at http://10.77.0.1
set wait 5

:address
isset \${netX/ip} && goto identify ||
echo Tinderbox: this machine has no address yet, asking DHCP for one
dhcp && goto identify ||
echo Tinderbox: no answer from DHCP, error \${errno}. Trying again in \${wait} s
sleep \${wait} ||
iseq \${wait} 20 && set wait 30 ||
iseq \${wait} 10 && set wait 20 ||
iseq \${wait} 5 && set wait 10 ||
goto address

:identify
set arch \${buildarch}
iseq \${buildarch} i386 || goto ask
cpuid 0 || clear arch ||
cpuid --ext 29 && set arch x86_64 ||

:ask
echo Tinderbox: \${netX/mac} asks what to boot
chain --replace --autofree ${ASK} ||
echo Tinderbox: no script from http://10.77.0.1, error \${errno}. Trying again in \${wait} s
sleep \${wait} ||
iseq \${wait} 20 && set wait 30 ||
iseq \${wait} 10 && set wait 20 ||
iseq \${wait} 5 && set wait 10 ||
goto address
`,
  );
});

t.test("a machine's script fetches kernel and initrds, names each initrd, and boots", async (t) => {
  const role = bootRole(
    {
      initrd: ['/assets/a.img', 'http://mirror/b.img?x=1&y=2'],
      cmdline: ['console={{parameters.console}}', 'cloud-config-url={{configUrl}}'],
    },
    { console: 'ttyS1' },
  );
  t.equal(
    script(role),
    `#!ipxe
echo
echo Tinderbox: 52:54:00:12:34:56 is node-123456, role test
imgfree ||

set what the kernel http://10.77.0.1/assets/vmlinuz
kernel http://10.77.0.1/assets/vmlinuz initrd=initrd0 initrd=initrd1 console=ttyS1 cloud-config-url=http://10.77.0.1/boot/abc/cloud-config || goto failed

set what the initrd http://10.77.0.1/assets/a.img
initrd --name initrd0 http://10.77.0.1/assets/a.img || goto failed

set what the initrd http://mirror/b.img?x=1&y=2
initrd --name initrd1 http://mirror/b.img?x=1&y=2 || goto failed

set what starting the kernel
boot || goto failed

:failed
echo Tinderbox: failed: \${what}, error \${errno}
isset \${arch} || set arch x86_64
:again
echo Tinderbox: asking again in 15 s
sleep 15 ||
isset \${netX/ip} || dhcp ||
chain --replace --autofree ${ASK} ||
echo Tinderbox: no script from http://10.77.0.1, error \${errno}
goto again
`,
  );
});

const tail = (seconds: number) => `:again
echo Tinderbox: asking again in ${seconds} s
sleep ${seconds} ||
isset \${netX/ip} || dhcp ||
chain --replace --autofree ${ASK} ||
echo Tinderbox: no script from http://10.77.0.1, error \${errno}
goto again
`;

t.test('waiting and refused machines show the message and ask again with the same question', async (t) => {
  t.equal(
    waitScript({
      url,
      message: 'waits for approval',
      facts: { ...facts, address: ip('10.77.0.100') },
      seconds: 10,
    }),
    `#!ipxe
echo
echo Tinderbox: waits for approval
echo Tinderbox: MAC 52:54:00:12:34:56
echo Tinderbox: product Box
echo Tinderbox: serial S1
echo Tinderbox: address 10.77.0.100
isset \${arch} || set arch x86_64
${tail(10)}`,
  );
  t.equal(
    refusalScript({ url, message: 'no role', seconds: 30 }),
    `#!ipxe\necho\necho Tinderbox: no role\n${tail(30)}`,
  );
  t.match(waitScript({ url, message: '', facts: { ...facts, arch: 'x86' }, seconds: 1 }), /set arch i386\n/);
});

t.test(
  'who waits for its turn asks again with what it chose from a menu, and is not told who it is',
  async (t) => {
    const text = waitScript({
      url,
      message: '12th in the queue, about 3 min',
      facts: { ...facts, labels: { rack: 'r7' } },
      seconds: 12,
      isBrief: true,
      choice: 'worker',
    });
    t.match(text, '#!ipxe\necho\necho Tinderbox: 12th in the queue, about 3 min\nisset');
    t.match(text, 'echo Tinderbox: asking again in 12 s\n');
    t.match(text, '/ipxe?mac=${netX/mac:hexhyp}&choice=worker&rack=r7&uuid=${uuid}&');
  },
);

t.test(
  'a machine boots its own disk: by its boot sector under BIOS, by the firmware under UEFI',
  async (t) => {
    const role: Role = { ...bootRole({}), boot: { kind: 'local' } };
    t.equal(
      script(role),
      `#!ipxe
echo
echo Tinderbox: 52:54:00:12:34:56 is node-123456, role test
imgfree ||
iseq \${platform} efi && goto firmware ||
echo Tinderbox: booting the first disk of this machine
sanboot --no-describe --drive 0x80 || goto failed

:failed
echo Tinderbox: failed: booting the first disk, error \${errno}
isset \${arch} || set arch x86_64
${tail(15)}
:firmware
echo Tinderbox: leaving iPXE, so that the firmware goes on with its next boot option: the disk
exit 1
`,
    );
    t.throws(() => script({ ...bootRole({}), boot: { kind: 'hold' } }), /it waits/);
  },
);

t.test('where syslog is taken, the bootstrap script says so before anything else', async (t) => {
  const lines = bootstrapScript({ url, syslog: '10.77.0.1' }).split('\n');
  t.strictSame(lines.slice(0, 3), ['#!ipxe', 'set syslog 10.77.0.1 ||', 'echo']);
  t.equal(lines.toSpliced(1, 1).join('\n'), bootstrapScript({ url }));
});

t.test('no script ends, reboots or stops at a command that fails', async (t) => {
  const scripts = [
    bootstrapScript({ url }),
    bootstrapScript({ url, syslog: '10.77.0.1' }),
    script(bootRole({})),
    waitScript({ url, message: 'm', facts, seconds: 5 }),
    refusalScript({ url, message: 'm', seconds: 5 }),
  ];
  for (const text of scripts) {
    const lines = text.trimEnd().split('\n');
    t.equal(lines[0], '#!ipxe');
    t.match(lines.at(-1), /^goto (address|again)$/, 'the last line goes back');
    for (const line of lines.slice(1)) {
      const cannotFail = /^($|:|echo\b|set |goto )/.test(line);
      t.ok(cannotFail || / \|\|( |$)/.test(line), line);
      t.notMatch(line, /\b(reboot|poweroff|exit|shell|prompt)\b/);
    }
    for (const [, label] of text.matchAll(/goto (\w+)/g)) t.ok(lines.includes(`:${label}`), `label ${label}`);
  }
});

t.test('a message cannot become a command', async (t) => {
  const table: readonly [string, string][] = [
    ['a\nreboot', 'a reboot'],
    ['a\r\n\u0000b', 'a b'],
    ['a || reboot', 'a | reboot'],
    ['a && reboot ; reboot', 'a & reboot , reboot'],
    ['# no', 'No. no'],
    ['a #1', 'a No.1'],
    ['${net0/mac}', '$(net0/mac}'],
    ['$${x}', '$$(x}'],
    ['größe — 5', 'gr e 5'],
    ['a||b', 'a||b'],
  ];
  for (const [message, expected] of table) {
    t.equal(
      refusalScript({ url, message, seconds: 1 }).split('\n')[2],
      `echo Tinderbox: ${expected}`,
      JSON.stringify(message),
    );
  }
  const hostile = { ...facts, manufacturer: 'x\nreboot', product: '|| shell', serial: '${next-server}' };
  const shown = waitScript({ url, message: 'm', facts: hostile, seconds: 1 });
  t.same(shown.split('\n').slice(3, 7), [
    'echo Tinderbox: MAC 52:54:00:12:34:56',
    'echo Tinderbox: manufacturer x reboot',
    'echo Tinderbox: product | shell',
    'echo Tinderbox: serial $(next-server}',
  ]);
});

t.test("a value is not expanded behind the role's own setting either", (t) => {
  const boot = { cmdline: ['ip=${netX/ip} name={{parameters.x}}'] };
  t.match(script(bootRole(boot, { x: 'plain' })), 'ip=${netX/ip} name=plain');
  for (const x of ['${next-server}', 'a${b}c']) {
    t.throws(() => script(bootRole(boot, { x })), {
      code: 'invalid-template',
      message: /would be expanded by iPXE/,
    });
  }
  t.end();
});

t.test('a value in the boot block cannot become a command', async (t) => {
  const table: readonly [Parameters['x'], RegExp][] = [
    ['a\nreboot', /role\.yaml:?\d*: a piece of the boot script holds a control character/],
    ['a\treboot', /control character/],
    ['\u0007', /control character/],
    ['a || reboot', /for an operator/],
    ['a && reboot', /for an operator/],
    ['a ; reboot', /for an operator/],
    ['#', /for an operator/],
    ['${next-server}', /would be expanded by iPXE/],
    ['é', /outside ASCII/],
  ];
  for (const [x, message] of table) {
    for (const boot of [
      { cmdline: ['{{parameters.x}}'] },
      { kernel: '/assets/{{parameters.x}}' },
      { initrd: ['/assets/{{parameters.x}}'] },
    ]) {
      if (x === '#' && boot.cmdline === undefined) continue;
      t.throws(
        () => script(bootRole(boot, { x: x ?? null })),
        { code: 'invalid-template', message },
        JSON.stringify([x, boot]),
      );
    }
  }
});

t.test('kernel and initrd are an absolute path or an http URL, without a space', async (t) => {
  for (const x of ['assets/vmlinuz', 'ftp://x/y', '//host/x', '/', '/a b', 'http:///x', '../x']) {
    for (const boot of [{ kernel: '{{parameters.x}}' }, { initrd: ['{{parameters.x}}'] }]) {
      t.throws(
        () => script(bootRole(boot, { x })),
        { code: 'invalid-template', message: /role\.yaml:10: / },
        x,
      );
    }
  }
  t.throws(() => script(bootRole({ kernel: '{{parameters.x}}' }, { x: '' })), { message: /names no kernel/ });
});

t.test(
  'what a role itself asks of iPXE is left to iPXE, and what renders to nothing is left out',
  async (t) => {
    const role = bootRole(
      {
        initrd: ['/a', '{{parameters.second}}', '/c'],
        cmdline: ['ip=${net0/ip}', '{{#if parameters.second}}x{{/if}}', 'a=1  b="c d"'],
      },
      { second: '' },
    );
    const files = renderBootFiles(role, contextOf(role));
    t.strictSame(files, {
      kernel: '/assets/vmlinuz',
      initrd: ['/a', '/c'],
      cmdline: ['ip=${net0/ip}', 'a=1', 'b="c', 'd"'],
    });
    t.match(
      script(role),
      /kernel \S+ initrd=initrd0 initrd=initrd1 ip=\$\{net0\/ip\} a=1 b="c d" \|\| goto failed/,
    );
  },
);

t.test('paths become URLs of the server as this machine reached it', async (t) => {
  const role = bootRole({});
  const context = contextOf(role, {
    server: { address: '10.78.0.1', url: 'http://10.78.0.1:8080', syslogPort: 0 },
  });
  t.equal(absoluteUrl('/assets/x', context), 'http://10.78.0.1:8080/assets/x');
  t.equal(absoluteUrl('http://a/x', context), 'http://a/x');
  t.match(
    machineScript({ role, context, hostname: 'h' }),
    /initrd --name initrd0 http:\/\/10\.78\.0\.1:8080\/assets\/initrd\.img/,
  );
});

const goesOn = (label: string, place: string) => `
:${label}
echo Tinderbox: failed: \${what}, error \${errno}
echo Tinderbox: going on with ${place}
imgfree ||
`;

t.test(
  'a machine near mirrors tries each of them, all of its files at once, and then the server',
  async (t) => {
    const role = bootRole({
      kernel: '/assets/fcos/kernel',
      initrd: ['{{assetsUrl}}/fcos/initrd', 'http://elsewhere/x'],
      cmdline: ['rootfs={{assetsUrl}}/fcos/rootfs.img', 'report={{reportUrl}}'],
    });
    const context = {
      ...contextOf(role, { assetsUrl: 'http://10.78.0.5/tb/assets' }),
      mirrors: ['http://10.78.0.5/tb', 'http://10.78.0.6'],
      pinned: new Map([['/assets/fcos/rootfs.img', '/assets/fcos/42/rootfs.img']]),
    };
    const text = machineScript({ role, context, hostname: 'h' });
    const loads = (place: string, failed: string) => `
set what the kernel ${place}/assets/fcos/kernel
kernel ${place}/assets/fcos/kernel initrd=initrd0 initrd=initrd1 rootfs=${place}/assets/fcos/42/rootfs.img report=${context.reportUrl} || goto ${failed}

set what the initrd ${place}/assets/fcos/initrd
initrd --name initrd0 ${place}/assets/fcos/initrd || goto ${failed}

set what the initrd http://elsewhere/x
initrd --name initrd1 http://elsewhere/x || goto ${failed}

set what starting the kernel
boot || goto ${failed}
`;
    t.equal(
      text.slice(text.indexOf('imgfree ||\n') + 'imgfree ||\n'.length, text.indexOf('\n:failed')),
      [
        loads('http://10.78.0.5/tb', 'place1'),
        goesOn('place1', 'http://10.78.0.6'),
        loads('http://10.78.0.6', 'place2'),
        goesOn('place2', url),
        loads(url, 'failed'),
      ].join(''),
    );
  },
);

t.test('a role without an initrd boots its kernel alone', async (t) => {
  const text = script(bootRole({ initrd: [] }));
  t.match(text, /kernel http:\/\/10\.77\.0\.1\/assets\/vmlinuz \|\| goto failed/);
  t.notMatch(text, /initrd/);
});
