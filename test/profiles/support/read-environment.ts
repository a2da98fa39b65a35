import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** systemd's own reader of such files (environment.d(5)); it differs from a shell in what quotes mean. */
const READER = '/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator';

/** What a service would get from an `EnvironmentFile=` of this content; plain values only, as its output is read. */
export function readEnvironment(content: string): Readonly<Record<string, string>> {
  const home = mkdtempSync(join(tmpdir(), 'tinderbox-environment-'));
  try {
    mkdirSync(join(home, 'environment.d'));
    writeFileSync(join(home, 'environment.d/a.conf'), content);
    const output = execFileSync(READER, {
      encoding: 'utf8',
      env: { HOME: home, XDG_CONFIG_HOME: home },
    });
    const wanted = [...content.matchAll(/^(\w+)=/gm)].map(([, name]) => name);
    return Object.fromEntries(
      output
        .split('\n')
        .map((line) => /^(\w+)=(?:"(.*)"|(.*))$/.exec(line))
        .filter((match) => wanted.includes(match?.[1]))
        .map((match) => [match?.[1], match?.[2] ?? match?.[3] ?? '']),
    ) as Record<string, string>;
  } finally {
    rmSync(home, { recursive: true });
  }
}
