import t from 'tap';
import { type IpxeHost, runIpxeScript, type ScriptOutcome } from '../../src/lab/virtual-client-script.ts';

interface World {
  readonly scripts?: Record<string, string>;
  readonly missing?: readonly string[];
  readonly settings?: Record<string, string>;
  /** Answers of `dhcp`, one after the other; then true. */
  readonly dhcp?: boolean[];
}

const URL_OF_SCRIPT = 'http://10.77.0.1/boot.ipxe';

async function play(
  text: string,
  world: World = {},
): Promise<ScriptOutcome & { readonly log: readonly string[] }> {
  const log: string[] = [];
  const host: IpxeHost = {
    setting: (name) => ({ mac: '52:54:00:12:34:56', product: 'Standard PC (Q35)', ...world.settings })[name],
    dhcp: () => {
      log.push('dhcp');
      return Promise.resolve(world.dhcp?.shift() ?? true);
    },
    fetchScript: (url) => {
      log.push(`script ${url}`);
      return Promise.resolve(world.scripts?.[url]);
    },
    fetchImage: (kind, url) => {
      log.push(`${kind} ${url}`);
      return Promise.resolve(!(world.missing ?? []).includes(url));
    },
    echo: (line) => log.push(`echo ${line}`),
    sleep: (ms) => {
      log.push(`sleep ${ms}`);
      return Promise.resolve();
    },
  };
  const outcome = await runIpxeScript(host, URL_OF_SCRIPT, `#!ipxe\n${text}`);
  return { ...outcome, log };
}

t.test('a kernel, its initrds and its arguments are fetched and booted', async (test) => {
  const { kind, cmdline, log } = await play(
    'kernel /assets/vmlinuz initrd=root.gz console=ttyS0\ninitrd --name root.gz http://10.77.0.1/assets/root.gz\nboot',
  );
  test.equal(kind, 'booted');
  test.equal(cmdline, 'initrd=root.gz console=ttyS0');
  test.strictSame(log, ['kernel http://10.77.0.1/assets/vmlinuz', 'initrd http://10.77.0.1/assets/root.gz']);
});

t.test('settings are expanded word by word, in the formats of iPXE', async (test) => {
  const cases: [string, string][] = [
    ['${mac}', '52:54:00:12:34:56'],
    ['${net0/mac:hexhyp}', '52-54-00-12-34-56'],
    ['${netX/mac:hexraw}', '525400123456'],
    ['${product:uristring}', 'Standard%20PC%20%28Q35%29'],
    ['a${unknown}b', 'ab'],
    ['${which}', 'mac'],
    ['${${which}:hexhyp}', '52-54-00-12-34-56'],
  ];
  for (const [word, expected] of cases) {
    const { log } = await play(`set which mac\necho ${word}`);
    test.strictSame(log, [`echo ${expected}`], word);
  }
});

t.test('|| and && run or skip by the status of what ran last', async (test) => {
  const cases: [string, string[]][] = [
    ['isset ${mac} && echo yes || echo no', ['echo yes']],
    ['isset ${nothing} && echo yes || echo no', ['echo no']],
    ['isset ${nothing} || echo a && echo b', ['echo a', 'echo b']],
    ['iseq a a && echo same ; echo after', ['echo same', 'echo after']],
    ['iseq a b ||\necho still here', ['echo still here']],
    ['iseq a b\necho never', []],
    ['cpuid --ext 29 && echo long mode', ['echo long mode']],
    ['iseq a b || echo error ${errno}', ['echo error virtual']],
  ];
  for (const [text, expected] of cases) test.strictSame((await play(text)).log, expected, text);
});

t.test('a failed command ends the script, and is named', async (test) => {
  const { kind, reason } = await play('echo before\nkernel /gone\nboot', {
    missing: ['http://10.77.0.1/gone'],
  });
  test.equal(kind, 'failed');
  test.equal(reason, `${URL_OF_SCRIPT}:3: kernel /gone`);
});

t.test('a script may retry with labels, goto, dhcp and sleep', async (test) => {
  const { kind, log } = await play(':again\ndhcp && goto up ||\nsleep 2\ngoto again\n:up\nkernel /k\nboot', {
    dhcp: [false, true],
  });
  test.equal(kind, 'booted');
  test.strictSame(log, ['dhcp', 'sleep 2000', 'dhcp', 'kernel http://10.77.0.1/k']);
});

t.test('a chained script shares settings, resolves its own URLs and boots for its parent', async (test) => {
  const { kind, log } = await play('set role worker\nchain --replace /ipxe?mac=${mac}', {
    scripts: { 'http://10.77.0.1/ipxe?mac=52:54:00:12:34:56': '#!ipxe\necho ${role}\nkernel k\nboot' },
  });
  test.equal(kind, 'booted');
  test.strictSame(log.slice(1), ['echo worker', 'kernel http://10.77.0.1/k']);
});

t.test('what a chained script ends with decides what its parent does next', async (test) => {
  const cases: [string, string, ScriptOutcome['kind'], boolean][] = [
    ['exit 0', 'chain /s || echo failed', 'exited', false],
    ['exit 1', 'chain /s || echo failed', 'exited', true],
    ['reboot', 'chain /s || echo failed', 'failed', false],
    ['echo done', 'chain --replace /s\necho failed', 'exited', false],
  ];
  for (const [script, text, kind, fell] of cases) {
    const played = await play(text, { scripts: { 'http://10.77.0.1/s': `#!ipxe\n${script}` } });
    test.equal(played.kind, kind, `${script} / ${text}`);
    test.equal(played.log.includes('echo failed'), fell, `${script} / ${text}`);
  }
});

t.test('a script may boot the first disk, or leave iPXE with a status that firmware sees', async (test) => {
  const boot = 'sanboot --no-describe --drive 0x80 || echo failed';
  test.match(await play(boot), { kind: 'disk', log: [] });
  test.equal(
    (await play('chain /s || echo failed', { scripts: { 'http://10.77.0.1/s': `#!ipxe\n${boot}` } })).kind,
    'disk',
  );
  const cases: [string, string, number | undefined][] = [
    ['exit 1', 'failed', 1],
    ['exit', 'exited', 0],
    ['chain --replace /s || exit 0', 'failed', 1],
    ['chain --replace /gone || exit 0', 'exited', 0],
    ['chain --replace /page || exit 0', 'exited', 0],
    ['chain /s || exit 0', 'exited', 0],
    ['chain /s ||\nkernel /k\nboot', 'booted', undefined],
    ['iseq a b', 'failed', undefined],
  ];
  for (const [text, kind, exitStatus] of cases) {
    const scripts = { 'http://10.77.0.1/s': '#!ipxe\nexit 1', 'http://10.77.0.1/page': '<html>' };
    const played = await play(text, { scripts });
    test.equal(played.kind, kind, text);
    test.equal(played.exitStatus, exitStatus, text);
  }
});

t.test('what is no script or cannot be fetched fails the chain', async (test) => {
  const { kind, reason } = await play('chain /page', { scripts: { 'http://10.77.0.1/page': '<html>' } });
  test.equal(kind, 'failed');
  test.match(reason, /chain \/page/);
  test.equal((await play('chain /nothing')).kind, 'failed');
});

t.test('what the interpreter does not know is an error with its line, never skipped', async (test) => {
  const cases: [string, RegExp][] = [
    ['echo a\nsanboot http://x/', /boot\.ipxe:3: `sanboot` is known as/],
    ['sanboot --drive 0x81', /`sanboot` is known as/],
    ['echo a\nlogin', /boot\.ipxe:3: iPXE command `login`/],
    ['echo ${mac:base64}', /setting format `:base64`/],
    ['goto nowhere', /boot\.ipxe:2: there is no label :nowhere/],
    ['kernel', /`kernel` without a URL/],
    ['chain http://[', /is no URL/],
    [':a\ngoto a', /the script loops/],
  ];
  for (const [text, message] of cases) await test.rejects(play(text), { message }, text);
});
