/** `npm run soak`: a day in the life of the daemon, in as long as it is told. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { parseDuration } from '../../src/document/parse-units.ts';
import { toTinderboxError } from '../../src/errors.ts';
import { ensureDebianPackages, LAB_PACKAGES } from '../../src/lab/debian-packages.ts';
import { runSoak } from './run-soak.ts';
import { formatReport } from './soak-report.ts';

const HELP = `npm run soak -- [--for TIME] [--machines N] [--seed S] [--json]

Boots simulated machines at random against a real daemon, in a network namespace, while files are edited and broken, the
daemon is reloaded, killed and restarted, its disk fills up and floods come; and looks all the time whether what must
hold does: no address twice, no answered session lost, every timeline readable, no growth, every boot that was allowed to
finish finished. Needs root, on Debian.

  --for TIME      how long: 30s, 10m, 8h (default 10m)
  --machines N    machines at one time (default 24)
  --seed S        the choices of a former run; it prints which it took
  --json          the report as JSON

Exit codes: 0 every invariant held, 1 one broke, 2 wrong usage.

Example:
  $ sudo npm run soak -- --for 10m --machines 30`;

process.exitCode = await main();

async function main(): Promise<0 | 1 | 2> {
  let options: ReturnType<typeof readOptions>;
  try {
    options = readOptions();
  } catch (thrown) {
    console.error(`soak: ${thrown instanceof Error ? thrown.message : String(thrown)}; see --help`);
    return 2;
  }
  if (options === 'help') {
    console.log(HELP);
    return 0;
  }
  const { json, ...rest } = options;
  const stop = new AbortController();
  // The first one ends the day early, with its report.
  process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort());
  try {
    await ensureDebianPackages(LAB_PACKAGES, { log: (line) => console.error(line) });
    if (!json) console.log(`seed ${rest.seed}`);
    const onProgress = (text: string): void => {
      if (json) console.error(text);
      else console.log(text);
    };
    const report = await runSoak({ ...rest, onProgress, signal: stop.signal });
    console.log(json ? JSON.stringify(report, null, 2) : `\n${formatReport(report)}`);
    return Object.keys(report.broken).length === 0 ? 0 : 1;
  } catch (thrown) {
    const { message, remedy } = toTinderboxError(thrown);
    console.error(`soak: ${message}${remedy === undefined ? '' : `\n    ${remedy}`}`);
    return 1;
  }
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      for: { type: 'string', default: '10m' },
      machines: { type: 'string', default: '24' },
      seed: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const seconds = parseDuration(values.for);
  if (seconds === undefined || seconds === 0) throw new Error(`--for ${values.for} is no time`);
  const seed = values.seed === undefined ? randomInt(2 ** 31) : readNumber('--seed', values.seed, 0);
  return {
    time: seconds * 1_000,
    machines: readNumber('--machines', values.machines, 1),
    seed,
    json: values.json,
  };
}

function readNumber(flag: string, text: string, least: number): number {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (number < least) throw new Error(`${flag} ${text} is no whole number of at least ${least}`);
  return number;
}
