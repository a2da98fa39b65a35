import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { renderConfig } from '../../src/render/render-config.ts';
import { contextOf, readShippedRole } from '../render/read-shipped-role.ts';

interface Config {
  readonly coreos: {
    readonly units: readonly {
      name: string;
      content?: string;
      drop_ins?: readonly { name: string; content: string }[];
    }[];
  };
}

const WORKER = readShippedRole(join(import.meta.dirname, '../../profiles'), 'worker');
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

/** Complaints of `systemd-analyze verify` about the units of a worker, but for programs that only Flatcar has. */
function verify(folder: string, parameters: object): readonly string[] {
  const context = contextOf(WORKER);
  const rendered = renderConfig(WORKER, { ...context, parameters: { ...WORKER.parameters, ...parameters } });
  const { units } = (parse(rendered.body) as Config).coreos;
  const place = mkdtempSync(join(folder, 'units-'));
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(place, path)), { recursive: true });
    writeFileSync(join(place, path), text);
  };
  // Flatcar brings it; our drop-in changes it.
  write('containerd.service', '[Service]\nExecStart=/usr/bin/true\n');
  const names: string[] = [];
  for (const { name, content, drop_ins: dropIns = [] } of units) {
    if (name.endsWith('.network')) continue;
    if (content !== undefined) write(name, content);
    for (const dropIn of dropIns) write(`${name}.d/${dropIn.name}`, dropIn.content);
    if (content !== undefined || dropIns.length > 0) names.push(name);
  }
  const { stderr } = spawnSync(
    'systemd-analyze',
    ['verify', '--man=no', ...names.map((name) => join(place, name))],
    {
      encoding: 'utf8',
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${place}:`, SYSTEMD_LOG_LEVEL: 'warning' },
    },
  );
  return stderr
    .split('\n')
    .filter((line) => line.includes(place) || names.some((name) => line.startsWith(name)))
    .filter((line) => !/is not executable: No such file/.test(line));
}

t.test(
  'systemd has nothing against the units of a worker',
  { skip: hasSystemd ? false : 'systemd-analyze is not installed' },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tinderbox-verify-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    for (const parameters of [{}, { disk: 'none' }, { proxy: 'http://p:3128' }]) {
      t.strictSame(verify(folder, parameters), [], JSON.stringify(parameters));
    }
  },
);
