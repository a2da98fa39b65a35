import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { MachineFacts } from '../../src/machine/facts.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { Parameters, Role } from '../../src/machine/role.ts';
import { grubArguments, grubPath, grubText, grubWord } from '../../src/render/grub-text.ts';
import {
  grubBootstrap,
  grubMachineScript,
  grubRefusalScript,
  grubWaitScript,
} from '../../src/render/render-grub.ts';
import { contextOf, roleOf } from './read-shipped-role.ts';

const place = { url: 'http://10.77.0.1', address: '10.77.0.1' };
const facts: MachineFacts = { mac: '52:54:00:12:34:56' as Mac, product: 'Box' };
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

const script = (role: Role, transport: 'http' | 'tftp' = 'http', hostname = 'node-123456') =>
  grubMachineScript({ role, context: contextOf(role), hostname, transport });

/** Runs a configuration by GRUB's own parser, in its build for Linux (the package grub-emu); its screen, a line each. */
async function runGrub(configuration: string): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-grub-'));
  try {
    await mkdir(join(folder, 'boot/grub'), { recursive: true });
    await writeFile(join(folder, 'boot/grub/grub.cfg'), `${configuration}\nexit\n`);
    // It wants a terminal to draw on; a wide one, so that it wraps no line.
    const command = `stty cols 4000; exec grub-emu -d ${folder}/boot/grub`;
    const screen = await new Promise<string>((resolve, reject) => {
      const child = execFile(
        'script',
        ['-qec', command, '/dev/null'],
        { timeout: 60_000 },
        (error, stdout) => (error === null ? resolve(stdout) : reject(error)),
      );
      child.stdin?.end();
    });
    return (
      screen
        // oxlint-disable-next-line no-control-regex
        .replaceAll(/\u001b\[[0-9;?]*[A-Za-z]|\u001b\([0-9A-B]|[\u000f\u0007]/g, '')
        .split(/[\r\n]+/)
        .filter((line) => line !== '')
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

const HOSTILE = [
  '$net_default_mac',
  '${prefix}',
  "it's",
  '"quoted"',
  "'; reboot; '",
  '"; reboot; "',
  'a; halt',
  'a && halt || halt | halt &',
  '{ halt }',
  '} halt {',
  '`halt`',
  String.raw`\n \' \" \\`,
  '# no comment',
  '!#?*[a-z]~<>',
  '-e',
  '-n',
  'if then else fi while do done function',
  '%20 %d %s',
] as const;

t.test("what is quoted means nothing to GRUB's parser", { timeout: 120_000 }, async (t) => {
  const lines = HOSTILE.flatMap((value, index) => [
    `echo ${grubText(value)}`,
    `set word${index}=${grubWord(value)}`,
    `echo "[$word${index}]"`,
  ]);
  const screen = await runGrub(lines.join('\n'));
  for (const value of HOSTILE) {
    t.ok(screen.includes(`Tinderbox: ${value}`), `echo: ${value}`);
    t.ok(screen.includes(`[${value}]`), `a word: ${value}`);
  }
});

t.test(
  "the labels of an operator's own question are told again by the next one",
  { timeout: 120_000 },
  async (t) => {
    const labels = { region: "it's & $west", rack: 'r7' };
    const told: MachineFacts = { ...facts, labels };
    const answers = [
      grubWaitScript({ place, transport: 'http', message: 'x', facts: told, seconds: 5 }),
      grubRefusalScript({ place, message: 'x', labels, seconds: 5 }),
    ];
    for (const answer of answers) {
      const [tell = ''] = /^set tinderbox_labels=.*$/m.exec(answer) ?? [];
      t.ok(answer.indexOf(tell) < answer.indexOf('source '), 'before it asks');
      const query = grubBootstrap(place)
        .split('\n')
        .find((line) => line.startsWith('set tinderbox_query="mac='));
      const screen = await runGrub([tell, query, 'echo "<$tinderbox_query>"'].join('\n'));
      t.ok(
        screen.some((line) => line.endsWith("&uuid=&region=it's%20%26%20%24west&rack=r7>")),
        screen.join(' | '),
      );
    }
    t.notMatch(grubRefusalScript({ place, message: 'x', seconds: 5 }), 'tinderbox_labels');
  },
);

t.test('a GRUB near a mirror tries it, and then the server', async (t) => {
  const role = bootRole({});
  const context = { ...contextOf(role), mirrors: ['http://10.78.0.5/tb'] };
  const text = grubMachineScript({ role, context, hostname: 'h', transport: 'http' });
  const kernels = [...text.matchAll(/if linux '\(http,([^)]+)\)([^']+)'/g)].map(
    ([, host, path]) => `${host}${path}`,
  );
  t.match(kernels, [/^10\.78\.0\.5\/tb\/assets\//, /^10\.77\.0\.1\/assets\//]);
  t.match(text, /fi\necho 'Tinderbox: that failed. Going on with http:\/\/10\.77\.0\.1'\n/);
});

t.test('a message with line breaks and other alphabets is one line of ASCII', (t) => {
  t.equal(grubText('two\nlines\u001b[2J and ünïcode\u2028'), "'Tinderbox: two lines [2J and  n code'");
  t.end();
});

t.test('what SMBIOS says gets into the query escaped, whatever it is', { timeout: 120_000 }, async (t) => {
  const bootstrap = grubBootstrap(place);
  const escape = bootstrap.slice(bootstrap.indexOf('function'), bootstrap.indexOf('}\n') + 2);
  const values = [
    'Lab machine',
    'a&b=c',
    '100%',
    'R#1+2',
    'a/../b',
    '  ',
    '"$x";',
    "it's {}",
    'CZ3.4_5-6',
    '',
  ];
  const asked = values.map((value) => `tinderbox_escape ${grubWord(value)}\necho "<$tinderbox_escaped>"`);
  const screen = await runGrub([escape, ...asked].join('\n'));
  const escaped = screen.filter((line) => line.startsWith('<')).map((line) => line.slice(1, -1));
  t.same(escaped, [
    'Lab%20machine',
    'a%26b%3Dc',
    '100%25',
    'R%231%2B2',
    'a%2F..%2Fb',
    '%20%20',
    'x',
    'its%20',
    'CZ3.4_5-6',
    '',
  ]);
});

t.test(
  'every script is one that GRUB can parse, and a hostile value stays where it is',
  { timeout: 120_000 },
  async (t) => {
    const role = bootRole(
      { cmdline: ['console=ttyS0', 'ds=nocloud;s={{configUrl}}', 'x={{parameters.x}}'] },
      { x: '$(halt);{halt}&&halt' },
    );
    const local: Role = { ...bootRole({}), boot: { kind: 'local' } };
    const scripts = [
      script(role),
      script(role, 'tftp', "h'; halt #"),
      script(local),
      grubWaitScript({
        place,
        transport: 'http',
        message: "it's; halt",
        facts: { ...facts, product: "'; halt; '" },
        seconds: 5,
      }),
      grubRefusalScript({ place, message: 'no\nhalt', seconds: 30 }),
      grubBootstrap(place),
    ];
    // Parsed as a function's body, so that none of it runs.
    const screen = await runGrub(
      `${scripts.map((text, index) => `function script${index} {\n${text.replaceAll(/^function tinderbox_escape \{[\s\S]*?^\}$/gm, 'true')}\n}`).join('\n')}\necho parsed`,
    );
    t.ok(screen.includes('parsed'), screen.join('\n'));
    t.notOk(
      screen.some((line) => line.includes('error')),
      screen.join('\n'),
    );
  },
);

t.test('a machine loads its kernel and initrds the way its question came', (t) => {
  const role = bootRole({
    initrd: ['/assets/a.img', '/assets/b%20c.img'],
    cmdline: ['console=ttyS0', 'url={{configUrl}}'],
  });
  t.match(
    script(role),
    "if linux '(http,10.77.0.1)/assets/vmlinuz' 'console=ttyS0' 'url=http://10.77.0.1/boot/",
  );
  t.match(
    script(role),
    "if initrd '(http,10.77.0.1)/assets/a.img' '(http,10.77.0.1)/assets/b%20c.img'; then boot; fi",
  );
  t.match(script(role, 'tftp'), "if linux '(tftp,10.77.0.1)/assets/vmlinuz' ");
  t.match(script(bootRole({ initrd: [] })), /then\n {2}boot\nfi/);
  t.end();
});

t.test('GRUB spells paths in its own way', (t) => {
  const other = { url: 'http://boot.example:8080/pxe', address: '10.77.0.1' };
  t.equal(grubPath('/assets/x', 'http', other), '(http,boot.example:8080)/pxe/assets/x');
  t.equal(grubPath('/assets/x', 'tftp', other), '(tftp,10.77.0.1)/assets/x');
  t.equal(grubPath('http://10.0.0.9/x', 'http', other), '(http,10.0.0.9)/x');
  t.equal(
    grubPath('/assets/x', 'http', { ...other, url: 'https://boot.example' }),
    '(tftp,10.77.0.1)/assets/x',
    'no GRUB knows TLS: what is ours comes by TFTP then',
  );
  t.throws(() => grubPath('https://10.0.0.9/x', 'http', other), { code: 'invalid-template' });
  t.throws(() => grubPath('http://10.0.0.9/x', 'tftp', other), { code: 'invalid-template' });
  t.end();
});

t.test('what GRUB would change on the way to the kernel is an error', (t) => {
  for (const word of ['a="b"', "a='b'", String.raw`a\b`, 'mac=${netX/mac}']) {
    t.throws(() => grubArguments([word]), { code: 'invalid-template' }, word);
  }
  t.throws(
    () => grubArguments(["secret=it's"]),
    { message: /argument secret$/ },
    'it goes to the log without its value',
  );
  t.same(grubArguments(['a=b;c', 'd=$e']), ["'a=b;c'", "'d=$e'"]);
  t.end();
});

t.test('a machine that waits sees who it is, and goes back to the loop that asks', (t) => {
  const text = grubWaitScript({ place, transport: 'http', message: 'It waits', facts, seconds: 5 });
  t.match(text, /^set tinderbox_answer=1\n/);
  t.match(text, "echo 'Tinderbox: MAC 52:54:00:12:34:56'\n");
  t.match(text, "echo 'Tinderbox: product Box'\n");
  t.match(text, 'sleep 5\n');
  t.match(text, `if [ -z "$tinderbox_loop" ]; then source '(http,10.77.0.1)/grub.cfg'; fi`);
  t.notMatch(text, /reboot|configfile/);
  t.end();
});

t.test('a menu is what GRUB parses as one, whatever its labels are', { timeout: 120_000 }, async (t) => {
  const menu: Role = {
    ...bootRole({}),
    name: 'menu',
    boot: {
      kind: 'menu',
      title: 'What now?',
      timeout: 15,
      default: 'debian-live',
      choices: [
        { role: 'debian-live', label: "Debian's; halt {x}", key: 'd', line: 1 },
        { role: 'local', label: '$disk "first"', line: 2 },
      ],
    },
  };
  const text = script(menu);
  t.match(text, 'set default=debian-live\n  set timeout=15\n');
  t.match(text, 'source "(http,10.77.0.1)/grub.cfg?$tinderbox_query&choice=debian-live"');
  t.match(text, '--id debian-live --hotkey=d {');
  t.match(text, `menuentry '$disk "first"' --id local {`);
  const screen = await runGrub(`function menu {\n${text}\n}\necho parsed`);
  t.ok(screen.includes('parsed'), screen.join('\n'));
  t.notOk(
    screen.some((line) => line.includes('error')),
    screen.join('\n'),
  );
});

const wait = (seconds: number) =>
  grubWaitScript({
    place,
    transport: 'http',
    message: 'It waits',
    facts,
    seconds,
    isBrief: true,
    choice: 'worker',
  });

t.test(
  'who waits for its turn asks on from the first of its scripts, and is back in its menu if nobody answers',
  { timeout: 120_000 },
  async (t) => {
    t.match(wait(5), 'source "(http,10.77.0.1)/grub.cfg?$tinderbox_query&choice=worker"\n');
    t.notMatch(wait(5), 'Tinderbox: MAC');
    // In the place of a server: two more answers that it waits, and then the boot.
    const asked = wait(0)
      .replace(/source ".*"/, 'answer')
      .split('\n')
      .filter((line) => line !== '');
    const screen = await runGrub(
      [
        'set count=0',
        'function again {',
        ...asked,
        '}',
        'function answer {',
        '  if [ "$count" = 0 ]; then set count=1; again; elif [ "$count" = 1 ]; then set count=2; again; else echo booted; fi',
        '}',
        'again',
        'echo "the menu, asks: $tinderbox_asks."',
      ].join('\n'),
    );
    const said = screen.filter((line) => /It waits|booted|the menu/.test(line));
    t.match(said, [/It waits/, /It waits/, /It waits/, /booted/, /the menu, asks: \./]);
    t.equal(said.length, 5);
  },
);
