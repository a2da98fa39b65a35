import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type CloudConfig, filesOf, unitsOf } from './cloud-config.ts';

/** Units that Flatcar or Container Linux bring: what refers to any other unit refers to one that is written. */
const BROUGHT = [
  'containerd.service',
  'docker.service',
  'etcd-member.service',
  'etcd2.service',
  'flanneld.service',
  'locksmithd.service',
  'update-engine.service',
];
const STAND_IN = '[Service]\nExecStart=/usr/bin/true\n';

/** Complaints of `systemd-analyze verify` about the units of a configuration, but for programs that only the machine has. */
export function verifyUnits(config: CloudConfig): readonly string[] {
  const place = mkdtempSync(join(tmpdir(), 'tinderbox-units-'));
  try {
    const write = (path: string, text: string) => {
      mkdirSync(dirname(join(place, path)), { recursive: true });
      writeFileSync(join(place, path), text);
    };
    const names: string[] = [];
    for (const { name, content, drop_ins: dropIns = [] } of unitsOf(config)) {
      if (/\.(network|netdev|link)$/.test(name)) continue;
      if (content === undefined && dropIns.length === 0) continue;
      write(name, content ?? STAND_IN);
      for (const dropIn of dropIns) write(`${name}.d/${dropIn.name}`, dropIn.content);
      names.push(name);
    }
    for (const [path, text] of filesOf(config)) {
      const dropIn = /^\/etc\/systemd\/system\/(.*\.d\/.*\.conf)$/.exec(path)?.[1];
      if (dropIn !== undefined) write(dropIn, text);
    }
    for (const name of BROUGHT) if (!names.includes(name)) write(name, STAND_IN);
    if (names.length === 0) return [];
    const { error, stderr } = spawnSync(
      'systemd-analyze',
      ['verify', '--man=no', ...names.map((name) => join(place, name))],
      {
        encoding: 'utf8',
        env: { ...process.env, SYSTEMD_UNIT_PATH: `${place}:`, SYSTEMD_LOG_LEVEL: 'warning' },
      },
    );
    if (error !== undefined) throw error;
    return stderr
      .split('\n')
      .filter((line) => line.includes(place) || names.some((name) => line.startsWith(name)))
      .filter((line) => !/is not executable: No such file/.test(line));
  } finally {
    rmSync(place, { recursive: true });
  }
}
