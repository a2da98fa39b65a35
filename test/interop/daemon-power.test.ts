import { join } from 'node:path';
import t from 'tap';
import type { BootEvent } from '../../src/machine/event.ts';
import { makeTlsFiles } from '../support/make-tls-files.ts';
import { createSite, waitUntil } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';

const FIRST = '52:54:00:00:00:01';
const SECOND = '52:54:00:00:00:02';
const SLEEPER = '52:54:00:00:00:03';
const BMC = '10.77.0.1';
const LISTEN = `const s = require('node:dgram').createSocket('udp4');
s.bind(9, () => console.log('listening'));
s.on('message', (bytes, from) => console.log(from.address, bytes.toString('hex')));`;

t.test(
  'machines are turned on and off, and rebooted one after another, by the daemon',
  { timeout: 180_000 },
  async (t) => {
    await using lab = await createLab();
    const { namespace } = lab.network;
    const client = await lab.addClient('10.77.0.3/24');
    await using site = await createSite(namespace);
    const { key, certificate } = makeTlsFiles(site.folder, BMC);
    const bmc = namespace.spawn(
      [
        process.execPath,
        join(import.meta.dirname, 'support/run-redfish.ts'),
        BMC,
        key,
        certificate,
        'a',
        'b',
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let resets = '';
    const boot = (mac: string) =>
      bootMachines(client, {
        interface: 'eth0',
        count: 1,
        firstMac: Number.parseInt(mac.replaceAll(':', ''), 16),
        arch: 'uefi-x64',
        until: 'report',
      });
    const boots: Promise<unknown>[] = [];
    bmc.stdout?.on('data', (chunk: Buffer) => {
      const text = chunk.toString('utf8');
      resets += text;
      // What was reset boots, as far as this one can.
      if (/a ForceRestart/.test(text)) boots.push(boot(FIRST));
      if (/b ForceRestart/.test(text)) boots.push(boot(SECOND));
    });
    await waitUntil('the controller listens', () => resets.includes('https://'));
    const power = (system: string) =>
      `{ kind: redfish, url: '${resets.split('\n')[0]}', user: tinderbox, passwordFile: ${site.folder}/bmc, system: ${system}, ca: ${certificate} }`;
    await site.write({
      'profiles/machines.yaml': `machines:
  ${FIRST}: { power: ${power('a')} }
  ${SECOND}: { power: ${power('b')} }
  ${SLEEPER}: { power: { kind: wake-on-lan } }
default: worker
`,
      bmc: 'secret-7\n',
    });
    const daemon = await site.serve();

    const open = await site.run('power', 'status', FIRST);
    t.match(open, { code: 1, stderr: /other users may read it\n +chmod 0600/ });
    await site.write({ bmc: undefined });
    t.match(await site.run('power', 'status', FIRST), { code: 1, stderr: /there is no .*bmc/ });
    await namespace.run(['sh', '-c', `umask 077; echo secret-7 >${site.folder}/bmc`]);
    t.match(await site.run('power', 'status', FIRST), { code: 0, stdout: `${FIRST} is on\n` });

    await boot(FIRST);
    await boot(SECOND);
    t.match(await site.run('reboot', '--role', 'worker', '--dry-run'), {
      code: 0,
      stdout: new RegExp(`^${FIRST} .* redfish\n${SECOND} .* redfish\n$`),
    });
    const reboot = await site.run('reboot', '--role', 'worker', '--json', '--timeout', '90s');
    t.equal(reboot.code, 0, reboot.stderr + reboot.stdout);
    const steps = reboot.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { mac?: string; state?: string; up?: string[] });
    t.same(
      steps.map(({ mac, state, up }) => [mac, state, up].filter((part) => part !== undefined)),
      [[FIRST, 'cycled'], [FIRST, 'up'], [SECOND, 'cycled'], [SECOND, 'up'], [[FIRST, SECOND]]],
    );
    await Promise.all(boots);

    const sleeper = client.spawn([process.execPath, '-e', LISTEN], { stdio: ['ignore', 'pipe', 'inherit'] });
    let heard = '';
    sleeper.stdout?.on('data', (chunk: Buffer) => void (heard += chunk.toString('utf8')));
    await waitUntil('somebody listens', () => heard.includes('listening'));
    t.match(await site.run('power', 'on', SLEEPER), { code: 0, stdout: /3 magic packets sent\n/ });
    const magic = `10.77.0.1 ${'ff'.repeat(6)}${'525400000003'.repeat(16)}`;
    await waitUntil('the packets are there', () => heard.split(magic).length === 4);
    t.match(await site.run('power', 'off', SLEEPER), { code: 1, stderr: /can only turn a machine on/ });
    t.match(await site.run('power', 'on', '52:54:00:00:00:09'), { code: 1, stderr: /has no `power:`/ });
    t.match(await site.run('power', 'explode', FIRST), { code: 2 });
    t.match(await site.run('reboot', SLEEPER), {
      code: 1,
      stderr: /nobody can turn 52:54:00:00:00:03 off and on/,
    });

    const { events } = JSON.parse((await site.run('machines', FIRST, '--json')).stdout) as {
      events: BootEvent[];
    };
    const all = JSON.parse((await site.run('machines', SLEEPER, '--json')).stdout) as { events: BootEvent[] };
    t.match(
      all.events.map(({ kind, outcome, asked }) => [kind, outcome, asked]),
      [
        ['power.command', 'answered', 'power on, by wake-on-lan'],
        ['power.command', 'refused', 'power off, by wake-on-lan'],
      ],
      'its timeline has both',
    );
    t.notMatch(daemon.log() + JSON.stringify(events), /secret-7/);
  },
);
