import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { toTinderboxError } from '../../src/errors.ts';
import { stopProcess } from '../../src/lab/namespace.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { Ipmitool, PowerAction } from '../../src/machine/power.ts';
import { controlByIpmitool } from '../../src/power/ipmitool.ts';

/** The real ipmitool against OpenIPMI's simulator of a management controller, over RMCP+. */
const MAC = '52:54:00:12:34:56' as Mac;
const PORT = 20_000 + (process.pid % 20_000);

/** What the simulator asks of its machine: `PROGRAM 0x20 get|set power|boot …`. */
const CHASSIS = `#!/bin/sh
folder=$(dirname "$0")
echo "$*" >>"$folder/calls"
case "$2 $3" in
  'get power') echo "power:$(cat "$folder/power")" ;;
  'get boot') echo boot:default ;;
  'set power') echo "$4" >"$folder/power" ;;
esac
`;

const folder = await mkdtemp(join(tmpdir(), 'tb-ipmi-'));
const file = (name: string) => join(folder, name);
let simulator: ChildProcess | undefined;
t.teardown(async () => {
  if (simulator !== undefined) await stopProcess(simulator);
  await rm(folder, { recursive: true });
});

async function startSimulator(): Promise<void> {
  await mkdir(file('state'));
  await writeFile(file('chassis'), CHASSIS, { mode: 0o755 });
  await writeFile(file('power'), '1\n');
  await writeFile(file('calls'), '');
  await writeFile(file('password'), 'secret-7\n', { mode: 0o600 });
  await writeFile(file('wrong'), 'secret-8\n', { mode: 0o600 });
  await writeFile(file('open'), 'secret-7\n', { mode: 0o644 });
  const levels = ['callback', 'user', 'operator', 'admin'].map(
    (level) => `allowed_auths_${level} none md2 md5 straight`,
  );
  await writeFile(
    file('lan.conf'),
    `name "lab"
set_working_mc 0x20
startlan 1
addr 127.0.0.1 ${PORT}
priv_limit admin
${levels.join('\n')}
guid a123456789abcdefa123456789abcdef
endlan
chassis_control "${file('chassis')} 0x20"
user 1 true "" "none" user 10 none md2 md5 straight
user 2 true "tinderbox" "secret-7" admin 10 none md2 md5 straight
`,
  );
  await writeFile(
    file('bmc.emu'),
    'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable 0x20\n',
  );
  simulator = spawn('ipmi_sim', ['-c', file('lan.conf'), '-f', file('bmc.emu'), '-s', file('state'), '-n'], {
    stdio: 'ignore',
  });
  await once(simulator, 'spawn');
}

const control = (action: PowerAction, over: Partial<Ipmitool> = {}, pxe = false, port = PORT) => {
  const settings: Ipmitool = {
    kind: 'ipmitool',
    address: '127.0.0.1',
    user: 'tinderbox',
    passwordFile: file('password'),
    interface: 'lanplus',
    ...over,
  };
  return controlByIpmitool(
    settings,
    { mac: MAC, settings, action, pxe, efi: true },
    {
      port,
      // The simulator does not say what it knows, and ipmitool would ask for long.
      cipherSuite: 3,
    },
  );
};

t.test('a machine is turned off and on through its controller', { timeout: 120_000 }, async (t) => {
  await startSimulator();
  // It listens a moment after it was started.
  while ((await control('status').catch(() => undefined)) === undefined) await delay(100);
  t.match(await control('status'), { state: 'on', notes: [] });
  t.match(await control('off'), { state: 'on', did: 'chassis power off' });
  t.match(await control('status'), { state: 'off' });
  t.match(await control('cycle', {}, true), { state: 'off', did: 'chassis power on', notes: [] });
  t.match(await control('status', { interface: 'lan' }), { state: 'on' });
  t.match(await control('cycle'), { state: 'on', did: 'chassis power cycle' });
  t.match(await readFile(file('calls'), 'utf8'), /0x20 set boot pxe\n/, 'its next boot is from the network');
});

t.test('a controller that refuses, or does not answer, is told apart', { timeout: 120_000 }, async (t) => {
  const rows: readonly [string, () => Promise<unknown>, object][] = [
    [
      'a wrong password',
      () => control('off', { passwordFile: file('wrong') }),
      { code: 'refused', message: /does not accept tinderbox/ },
    ],
    [
      'an unknown user',
      () => control('off', { user: 'nobody' }),
      { code: 'refused', message: /does not accept nobody/ },
    ],
    [
      'IPMI 1.5, a wrong password',
      () => control('off', { interface: 'lan', passwordFile: file('wrong') }),
      { code: 'refused' },
    ],
    [
      'a password that others may read',
      () => control('off', { passwordFile: file('open') }),
      { code: 'refused', remedy: /chmod 0600/ },
    ],
    [
      'nobody there',
      () => control('off', {}, false, PORT - 1),
      { code: 'unavailable', message: /does not answer/ },
    ],
  ];
  for (const [name, run, expected] of rows) {
    const error = await run().then(
      () => t.fail(name),
      (thrown: unknown) => toTinderboxError(thrown),
    );
    t.match(error, expected, name);
    t.notMatch(JSON.stringify([error, String(error)]), /secret/, `${name}: no secret`);
  }
});
