import { isDeepStrictEqual } from 'node:util';
import { Lexer } from 'yaml';
import { buildMachines } from '../../../src/catalog/build-machines.ts';
import { checkOverrides } from '../../../src/catalog/check-overrides.ts';
import { assignRole, type EditedMachines, type MachineChange } from '../../../src/catalog/edit-machines.ts';
import { removeMachine } from '../../../src/catalog/remove-machine.ts';
import { MachinesSchema } from '../../../src/catalog/schema.ts';
import { readDocument } from '../../../src/document/read-document.ts';
import { TinderboxError } from '../../../src/errors.ts';
import { type Mac, parseMac } from '../../../src/machine/mac.ts';
import { makeRole } from '../../support/make-role.ts';
import { bytesOf, textOf } from '../engine/mutate-text.ts';
import { type FuzzTarget, hold } from '../engine/target.ts';
import { checkProblems, YAML_WORDS, yamlMutators } from '../formats/yaml-texts.ts';

const FULL = `# who boots what
machines:
  52:54:00:12:34:56: { role: controller, hostname: master-1, address: 10.77.0.10 }  # the first
  # the second
  52:54:00:12:34:57:
    role: worker   # for now
    hostname: 'node-2'
    parameters:
      image: flatcar
  52-54-00-12-34-58:
  "52:54:00:12:34:59": {}

rules:
  - { match: { arch: arm64 }, role: worker, parameters: { image: arm } }
  - match: { serial: 'VM*', subnet: 10.77.0.0/24 }
    role: controller
    approve: true
default: worker # or none
`;
const FLOW = `machines: { 52:54:00:12:34:56: { role: worker }, 52:54:00:12:34:57: {hostname: a,role: b,}, }
default: none
`;
const KEYS = [
  'machines',
  'rules',
  'default',
  'match',
  'role',
  'once',
  'hostname',
  'address',
  'parameters',
  'image',
  'power',
  'arch',
  'mac',
  'serial',
  'subnet',
  'relay',
  'admit',
  '52:54:00:12:34:56',
  '52:54:00:12:34:57',
  '52:54:00:12:34:60',
  '"52:54:00:12:34:56"',
  'other',
];
const VALUES = [
  'worker',
  'controller',
  'none',
  'node-1',
  '10.77.0.10',
  '10.77.0.0/24',
  'arm64',
  "'a*'",
  '{}',
  '[]',
  '{ role: worker }',
  '"x"',
  '5',
  'null',
  '',
];
const CHANGES: readonly MachineChange[] = [
  { role: 'worker' },
  { role: 'controller', hostname: 'node-9', address: '10.77.0.99' },
  { once: 'worker' },
  { once: null, role: 'worker' },
  { hostname: '123' },
  { role: 'true' },
  {},
];
const MACS = ['52:54:00:12:34:56', '52:54:00:12:34:57', '52:54:00:12:34:58', '52:54:00:12:34:60'].map(
  (text) => parseMac(text) as Mac,
);
const ROLES = new Map(
  [makeRole('worker', { image: 'x' }), makeRole('controller')].map((role) => [role.name, role]),
);

/** The comments of a text, in order. */
function commentsOf(text: string): readonly string[] {
  return [...new Lexer().lex(text)]
    .filter((token) => token.startsWith('#'))
    .map((comment) => comment.trimEnd());
}

/** Undefined where it is refused as what a program cannot edit. */
function edited<T>(edit: () => T): T | undefined {
  try {
    return edit();
  } catch (error) {
    if (error instanceof TinderboxError && error.code === 'refused') return undefined;
    throw error;
  }
}

/** A byte that chooses the machine and the change, then the text. */
export const target: FuzzTarget = {
  what: 'machines.yaml: who boots what, and edits of its text that leave everything else as it is',
  aims: [
    'catalog/edit-machines.ts',
    'catalog/remove-machine.ts',
    'catalog/machines-text.ts',
    'catalog/build-machines.ts',
    'catalog/check-overrides.ts',
    'catalog/build-power.ts',
    'document/',
  ],
  maxLength: 2_000,
  seeds: () =>
    [FULL, FLOW, '', '# nothing\n', 'machines:\n', 'machines: {}\nrules: []\n'].flatMap((text) =>
      [0, 9, 18, 27].map((choice) => Uint8Array.of(choice, ...bytesOf(text))),
    ),
  mutators: yamlMutators(KEYS, VALUES),
  dictionary: [...YAML_WORDS, ...KEYS.map((key) => `${key}: `)],
  run(input) {
    const text = textOf(input.subarray(1));
    const reading = readDocument(MachinesSchema, { file: 'machines.yaml', text });
    checkProblems(reading.problems, text);
    if (reading.value !== undefined) {
      const { part, problems } = buildMachines('machines.yaml', reading, [...ROLES.keys()]);
      checkProblems([...problems, ...checkOverrides('machines.yaml', reading, part, ROLES)], text);
    }
    const choice = input[0] ?? 0;
    const mac = MACS[choice % MACS.length] as Mac;
    const change = CHANGES[(choice >> 3) % CHANGES.length] as MachineChange;
    const assigned = edited(() => assignRole(text, mac, change));
    if (assigned !== undefined) checkAssigned(text, mac, change, assigned);
    const removed = edited(() => removeMachine(text, mac));
    if (removed?.changed !== true) {
      if (removed !== undefined) hold(removed.text === text, 'nothing is removed, and the text is another');
      return;
    }
    const again = edited(() => removeMachine(removed.text, mac));
    hold(again?.changed !== true, 'what is removed is still there');
    const left = commentsOf(removed.text);
    const before = commentsOf(text);
    hold(
      left.every((comment) => before.includes(comment)),
      'removing a machine made a comment',
    );
  },
};

function checkAssigned(
  text: string,
  mac: Mac,
  change: MachineChange,
  { text: after, changed }: EditedMachines,
): void {
  if (!changed) return hold(after === text, 'nothing is changed, and the text is another');
  // Taking `once:` out takes the comment on its line along.
  if (change.once !== null) {
    hold(
      isDeepStrictEqual(commentsOf(after), commentsOf(text)),
      () => `comments ${JSON.stringify(commentsOf(text))} became ${JSON.stringify(commentsOf(after))}`,
    );
  }
  const again = edited(() => assignRole(after, mac, change));
  hold(again !== undefined && !again.changed, 'the same assignment once more changes it again');
}
