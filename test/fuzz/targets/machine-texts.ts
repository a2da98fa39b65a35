import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parse } from 'yaml';
import { TinderboxError } from '../../../src/errors.ts';
import { parseBootQuery } from '../../../src/http/parse-boot-query.ts';
import type { Labels, MachineFacts } from '../../../src/machine/facts.ts';
import type { Role } from '../../../src/machine/role.ts';
import { buildContext } from '../../../src/render/build-context.ts';
import type { BootContext } from '../../../src/render/context.ts';
import { renderConfig } from '../../../src/render/render-config.ts';
import { grubMachineScript, grubRefusalScript, grubWaitScript } from '../../../src/render/render-grub.ts';
import { machineScript, refusalScript, waitScript } from '../../../src/render/render-script.ts';
import { readShippedRole } from '../../render/read-shipped-role.ts';
import { ip, SUBNET } from '../../support/make-environment.ts';
import { ROOT } from '../corpus-files.ts';
import { bytesOf, textOf } from '../engine/mutate-text.ts';
import { type FuzzTarget, hold, type Mutator } from '../engine/target.ts';
import { QUERY_MUTATORS, QUERY_SEEDS, queryOf } from '../formats/boot-queries.ts';
import { TEXTS_ROLE, WORDS_ROLE } from '../formats/facts-role.ts';

const MENU = readShippedRole(join(ROOT, 'profiles'), 'menu');
const URL = 'http://10.77.0.1';

/** A byte that chooses where the facts go, then the query of /ipxe. */
export const target: FuzzTarget = {
  what: 'what a machine says of itself, in configurations and scripts: a value there, and never more than one',
  aims: [
    'render/template-helpers.ts',
    'render/render-script.ts',
    'render/render-grub.ts',
    'render/render-grub-menu.ts',
    'render/render-menu.ts',
    'render/grub-text.ts',
    'render/ipxe-text.ts',
    'render/script-lines.ts',
    'render/render-cloud-config.ts',
    'render/rendered-yaml.ts',
    'render/check-cloud-config.ts',
    'render/config-skeleton.ts',
    'render/check-once.ts',
    'render/build-context.ts',
  ],
  maxLength: 2_048,
  seeds: () =>
    QUERY_SEEDS.flatMap((query) => [0, 1, 2, 3].map((choice) => Uint8Array.of(choice, ...bytesOf(query)))),
  mutators: QUERY_MUTATORS.map(behindFirst),
  dictionary: [
    '%0a',
    '%27',
    '%22',
    '%24%7b',
    '%7b%7b',
    '%23',
    '%3b',
    '%7c%7c',
    '%5c',
    '%25',
    '%e2%80%a8',
    '%c2%85',
    '%2d%2d',
    '%3a%20',
    '&rack=',
    '&region=',
  ],
  run(input) {
    const said = input.subarray(1);
    const query = parseBootQuery({ ...queryOf(said), mac: '52:54:00:12:34:56' }, 1_000);
    if (query.kind === 'bad') return checkRefusal(textOf(said), undefined);
    const { facts } = query;
    switch ((input[0] ?? 0) & 3) {
      case 0:
        return checkTexts(facts);
      case 1:
        return checkWords(facts);
      case 2:
        return checkScripts(facts);
      default:
        return checkRefusal(textOf(said), facts.labels);
    }
  },
};

/** Changes what stands behind the first byte. */
function behindFirst(change: Mutator): Mutator {
  return (input, random, other) =>
    Uint8Array.of(
      random.oneIn(8) ? random.below(4) : (input[0] ?? 0),
      ...change(input.subarray(1), random, other.subarray(1)),
    );
}

function contextFor(role: Role, facts: MachineFacts): BootContext {
  return buildContext({
    plan: { kind: 'boot', role, hostname: 'node-1', parameters: role.parameters, reasons: ['x'] },
    facts,
    cluster: undefined,
    server: { address: ip('10.77.0.1'), url: URL },
    subnets: [SUBNET],
    sessionUrl: `${URL}/boot/1-abc`,
  });
}

/** What it renders to; undefined where a value is refused, as a line break is where a line is wanted. */
function rendered(run: () => string): string | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof TinderboxError && error.code === 'invalid-template')) throw error;
    hold(error.problems.length > 0, 'a refusal without a place');
    return undefined;
  }
}

type Files = readonly { readonly path: string; readonly content: string }[];

function filesOf(text: string): (path: string) => string {
  const { write_files: files } = parse(text, { version: '1.1' }) as { write_files: Files };
  return (path) => {
    const file = files.find((one) => one.path === path);
    hold(file !== undefined, () => `${path} is gone:\n${text}`);
    return file.content;
  };
}

/** `{{quote}}`, `{{json}}`, `{{base64}}` and `{{indent}}` take any text, and it comes out as it went in. */
function checkTexts(facts: MachineFacts): void {
  const context = contextFor(TEXTS_ROLE, facts);
  // Any text will do there: nothing is refused.
  const text = renderConfig(TEXTS_ROLE, context).body;
  const content = filesOf(text);
  const { machine } = context;
  const same = (path: string, wanted: unknown) =>
    hold(
      isDeepStrictEqual(content(path), wanted),
      () => `${path} is ${JSON.stringify(content(path))}, not ${JSON.stringify(wanted)}`,
    );
  same('/quote', machine.serial);
  hold(isDeepStrictEqual(JSON.parse(content('/json')), machine), () => `/json is ${content('/json')}`);
  same('/base64', Buffer.from(machine.product).toString('base64'));
  same('/quotedShell', `x=${machine.manufacturer}`);
  same(
    '/indent',
    `${JSON.stringify(machine.serial)}\n`.replace(
      /[\u007f-\u009f\u2028\u2029\ufeff]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  );
  same('/label', `rack=${machine.labels.rack ?? 'none'}`);
  same('/bare', machine.labels.region ?? 'none');
}

const unquoted = (word: string): string =>
  (word.startsWith('"') ? word.slice(1, -1).replace(/\\(.)/g, '$1') : word).replaceAll('%%', '%');

const read = (word = ''): string =>
  word.replace(/'([^']*)'|\\'/g, (whole, inside: string | undefined) => inside ?? whole.slice(1));

/** One word of a shell and of systemd, one line of a file: exactly that, or a refusal. */
function checkWords(facts: MachineFacts): void {
  const context = contextFor(WORDS_ROLE, facts);
  const text = rendered(() => renderConfig(WORDS_ROLE, context).body);
  if (text === undefined) return;
  const { machine } = context;
  const content = filesOf(text);
  hold(content('/line') === `a=${machine.serial}\n`, () => `/line is ${JSON.stringify(content('/line'))}`);
  // POSIX: between single quotes nothing means anything; a quote stands outside, behind a backslash.
  const words = /^x=((?:'[^']*'|\\')+) y=((?:'[^']*'|\\')+)\n$/.exec(content('/shell'));
  hold(
    read(words?.[1]) === machine.serial && read(words?.[2]) === machine.product,
    () => `/shell is ${content('/shell')}`,
  );
  const { coreos } = parse(text, { version: '1.1' }) as { coreos: { units: { content: string }[] } };
  const lines = coreos.units[0]?.content.split('\n') ?? [];
  hold(lines.length === 4, () => `a unit of ${lines.length} lines: ${text}`);
  const [, one = '', two = ''] =
    /^ExecStart=\/bin\/x ("(?:[^"\\]|\\.)*"|[\w@:/.,=+%-]*) ("(?:[^"\\]|\\.)*"|[\w@:/.,=+%-]+)$/.exec(
      lines[1] ?? '',
    ) ?? [];
  hold(
    unquoted(one) === machine.serial && unquoted(two) === `--p=${machine.product}`,
    () => `${lines[1]} is not ${machine.serial} and ${machine.product}`,
  );
}

const settings = (script: string): readonly string[] => script.match(/\$\{[^}]*\}?/g) ?? [];

/** The same but for its values: as many lines, as many settings that are expanded. */
function checkIpxe(what: string, text: string, plain: string): void {
  const lines = text.split('\n');
  hold(lines.length === plain.split('\n').length, () => `${what} has ${lines.length} lines:\n${text}`);
  for (const line of lines) {
    hold(/^[\x20-\x7e]*$/.test(line), () => `${what}: ${JSON.stringify(line)}`);
    if (!line.startsWith('echo Tinderbox: ')) continue;
    const words = line.split(/\s+/).slice(2);
    hold(
      !words.some((word) => word === '||' || word === '&&' || word === ';' || word.startsWith('#')),
      () => `${what}: a word of this means something: ${line}`,
    );
  }
  hold(
    isDeepStrictEqual(settings(text), settings(plain)),
    () => `${what} expands ${settings(text).join(' ')}`,
  );
}

const bones = (script: string): string => script.replace(/(?:'[^']*'|\\')+/g, "''");

/** Without what stands between single quotes, a script of GRUB's is the same for every machine. */
function checkGrub(what: string, text: string, plain: string): void {
  hold(bones(text) === bones(plain), () => `${what} is\n${text}\nand not\n${plain}`);
  hold(text.split('\n').length === plain.split('\n').length, () => `${what} has more lines:\n${text}`);
}

/** The same machine, had it said nothing of any interest. */
function plainOf({ mac, labels, ...facts }: MachineFacts): MachineFacts {
  const said = Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, isText(name) ? 'x' : value]),
  );
  return { mac, ...said, ...(labels === undefined ? {} : { labels: plainLabels(labels) }) };
}
const isText = (name: string): boolean => ['serial', 'asset', 'manufacturer', 'product'].includes(name);
const plainLabels = (labels: Labels): Labels =>
  Object.fromEntries(Object.keys(labels).map((name) => [name, 'x']));

function checkScripts(facts: MachineFacts): void {
  const plain = plainOf(facts);
  for (const role of [TEXTS_ROLE, MENU]) {
    const script = (of: MachineFacts) =>
      rendered(() => machineScript({ role, context: contextFor(role, of), hostname: 'node-1' }));
    const [said, usual] = [script(facts), script(plain)];
    // A label of letters beyond ASCII is refused in a kernel's argument.
    if (said !== undefined && usual !== undefined) checkIpxe(`the script of ${role.name}`, said, usual);
    for (const transport of ['http', 'tftp'] as const) {
      const grub = (of: MachineFacts) =>
        rendered(() =>
          grubMachineScript({ role, context: contextFor(role, of), hostname: 'node-1', transport }),
        );
      const [one, other] = [grub(facts), grub(plain)];
      if (one !== undefined && other !== undefined) checkGrub(`GRUB's script of ${role.name}`, one, other);
    }
  }
  const wait = (of: MachineFacts): string => waitScript({ url: URL, message: 'wait', facts: of, seconds: 5 });
  checkIpxe('the script that waits', wait(facts), wait(plain));
  const place = { url: URL, address: '10.77.0.1' };
  const grubWait = (of: MachineFacts): string =>
    grubWaitScript({ place, transport: 'http', message: 'wait', facts: of, seconds: 5 });
  checkGrub("GRUB's script that waits", grubWait(facts), grubWait(plain));
}

/** A message may quote anything. */
function checkRefusal(message: string, labels: Labels | undefined): void {
  const plain = labels === undefined ? undefined : plainLabels(labels);
  const ipxe = (text: string, of: Labels | undefined): string =>
    refusalScript({ message: text, url: URL, seconds: 5, labels: of });
  checkIpxe('the script that refuses', ipxe(message, labels), ipxe('x', plain));
  const place = { url: URL, address: '10.77.0.1' };
  const grub = (text: string, of: Labels | undefined): string =>
    grubRefusalScript({ place, message: text, seconds: 5, labels: of });
  checkGrub("GRUB's script that refuses", grub(message, labels), grub('x', plain));
}
