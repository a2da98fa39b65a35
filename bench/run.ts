/**
 * `npm run bench`: Tinderbox beside real peers, in one run, as ratios. `npm run bench -- tftp` runs one of them.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureDebianPackages, LAB_PACKAGES } from '../src/lab/debian-packages.ts';
import { readVersion } from '../src/version.ts';
import type { BenchTable } from './support/bench-table.ts';
import { comparePoint } from './support/compare-samples.ts';
import { drawRatios } from './support/draw-ratios.ts';
import { formatMarkdown } from './support/format-markdown.ts';
import { formatTable } from './support/format-table.ts';

const PACKAGES = [
  ...LAB_PACKAGES,
  'curl',
  'dnsmasq-base',
  'kea-admin',
  'kea-dhcp4-server',
  'nginx-light',
  'tftpd-hpa',
];

interface BenchOptions {
  readonly rounds?: number;
  readonly quick?: boolean;
}

/** In this order; each is a file beside this one. */
const BENCHES: Readonly<Record<string, () => Promise<{ run(options: BenchOptions): Promise<BenchTable> }>>> =
  {
    tftp: () => import('./tftp.ts'),
    http: () => import('./http.ts'),
    dhcp: () => import('./dhcp.ts'),
    texts: () => import('./texts.ts'),
    memory: () => import('./memory.ts'),
    start: () => import('./start.ts'),
    storm: () => import('./storm.ts'),
  };

const HELP = `npm run bench -- [NAME …] [--rounds N] [--quick] [--json FILE] [--svg FILE] [--markdown FILE]

Tinderbox beside real peers from Debian, in one run: every round measures all of them in turn. Needs root, for network
namespaces, and the peers, which it installs. NAME: ${Object.keys(BENCHES).join(', ')} (all of them).

  --rounds N   rounds of each; more of them tell noise from a difference
  --quick      a few seconds each: whether it works, not how fast
  --json FILE  the samples, for other programs
  --svg FILE   a picture of the ratios
  --markdown FILE
               tables for the docs

  npm run bench -- tftp --rounds 9
  npm run bench -- --json docs/bench.json --svg docs/bench.svg --markdown docs/bench.md
`;

interface Request {
  readonly names: readonly string[];
  readonly options: BenchOptions;
  readonly json: string | undefined;
  readonly svg: string | undefined;
  readonly markdown: string | undefined;
}

/** A text says what is wrong with the arguments. */
function readRequest(argv: readonly string[]): Request | 'help' | { readonly wrong: string } {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        quick: { type: 'boolean' },
        json: { type: 'string' },
        svg: { type: 'string' },
        markdown: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help === true) return 'help';
    const unknown = positionals.find((name) => !Object.hasOwn(BENCHES, name));
    if (unknown !== undefined) return { wrong: `there is no bench ${unknown}` };
    const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
    if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= 99)) {
      return { wrong: '--rounds is a number from 1 to 99' };
    }
    return {
      names: positionals.length === 0 ? Object.keys(BENCHES) : positionals,
      options: {
        ...(rounds === undefined ? {} : { rounds }),
        ...(values.quick === true ? { quick: true } : {}),
      },
      json: values.json,
      svg: values.svg,
      markdown: values.markdown,
    };
  } catch (error) {
    return { wrong: (error as Error).message };
  }
}

async function measure({ names, options, json, svg, markdown }: Request): Promise<void> {
  await ensureDebianPackages(PACKAGES, { log: (line) => console.error(line) });
  const host = `Tinderbox ${readVersion()}, Node ${process.versions.node}, Linux ${release()}, ${cpus().length} × ${cpus()[0]?.model ?? 'processor'}`;
  console.log(`${host}, load ${loadavg()[0]?.toFixed(1)}; compare ratios, not figures\n`);
  const tables: BenchTable[] = [];
  for (const name of names) {
    const bench = await BENCHES[name]?.();
    if (bench === undefined) continue;
    const table = await bench.run(options);
    tables.push(table);
    console.log(formatTable(table));
    // After each: a long run that is ended keeps what it has.
    const at = new Date().toISOString();
    const results = tables.map((one) => ({
      ...one,
      points: one.points.map((point) => ({ ...point, compared: comparePoint(point) })),
    }));
    if (json !== undefined) await write(json, `${JSON.stringify({ host, at, results }, null, 1)}\n`);
    const title = `${host}, ${at.slice(0, 10)}`;
    if (svg !== undefined) await write(svg, drawRatios(tables, title));
    if (markdown !== undefined) await write(markdown, formatMarkdown(tables, title));
  }
}

async function write(file: string, content: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}

const request = readRequest(process.argv.slice(2));
if (request === 'help') {
  console.log(HELP);
} else if ('wrong' in request) {
  console.error(`${request.wrong}\n\n${HELP}`);
  process.exitCode = 2;
} else {
  await measure(request);
}
