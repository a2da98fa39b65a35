import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { checkManifest, type Manifest } from './profiles/support/check-manifest.ts';

const FOLDER = join(import.meta.dirname, '../examples');
const EXAMPLES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

interface Service {
  readonly spec: {
    readonly selector: { readonly [label: string]: string };
    readonly ports: readonly {
      readonly port: number;
      readonly targetPort?: number;
      readonly nodePort?: number;
    }[];
  };
}
interface Deployment {
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly labels: { readonly [label: string]: string } };
      readonly spec: {
        readonly containers: readonly { readonly ports: readonly { readonly containerPort: number }[] }[];
      };
    };
  };
}

function objectsOf(file: string): readonly Manifest[] {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  return parseAllDocuments(text, { version: '1.1' }).map((document) => document.toJS() as Manifest);
}

t.test('every example is valid by the published schemas', async (t) => {
  t.strictSame(EXAMPLES.toSorted(), ['echo.yaml', 'guestbook.yaml', 'web-server.yaml']);
  for (const file of EXAMPLES) {
    for (const object of objectsOf(file)) {
      t.strictSame(await checkManifest(object), [], `${file}: ${object.kind} ${object.metadata?.name}`);
    }
  }
});

t.test('a Service of an example leads to a port that a container of it has', async (t) => {
  const nodePorts: number[] = [];
  for (const file of EXAMPLES) {
    const objects = objectsOf(file);
    for (const service of objects.filter(({ kind }) => kind === 'Service')) {
      const { selector, ports } = (service as unknown as Service).spec;
      const chosen = (
        objects.filter(({ kind }) => kind === 'Deployment') as unknown as readonly Deployment[]
      ).filter(({ spec }) =>
        Object.entries(selector).every(([key, value]) => spec.template.metadata.labels[key] === value),
      );
      t.equal(chosen.length, 1, `${file}: ${service.metadata?.name}`);
      const open = chosen[0]?.spec.template.spec.containers.flatMap((one) =>
        one.ports.map(({ containerPort }) => containerPort),
      );
      for (const { port, targetPort = port, nodePort } of ports) {
        t.ok(open?.includes(targetPort), `${file}: ${service.metadata?.name} ${targetPort}`);
        if (nodePort !== undefined) nodePorts.push(nodePort);
      }
    }
  }
  t.equal(
    new Set(nodePorts).size,
    nodePorts.length,
    'each port of the Nodes once: all can be applied together',
  );
});

const BUILDER = join(FOLDER, 'debian-live/build-image.sh');

t.test('the script that builds debian-live is one that shellcheck has nothing against', async (t) => {
  const { status, stdout } = spawnSync('shellcheck', [BUILDER], { encoding: 'utf8' });
  t.equal(status, 0, stdout);
});

t.test('and says what is wrong with its command line before it does anything', async (t) => {
  const rows: readonly [readonly string[], number, RegExp][] = [
    [['--help'], 0, /^usage: build-image\.sh/],
    [[], 2, /one folder is wanted/],
    [['--suite'], 2, /--suite wants a value/],
    [['--siute', 'trixie', 'x'], 2, /there is no option --siute/],
    [['a', 'b'], 2, /one folder is wanted/],
  ];
  for (const [argv, code, says] of rows) {
    const { status, stdout, stderr } = spawnSync(BUILDER, argv, { encoding: 'utf8', cwd: t.testdir({}) });
    t.equal(status, code, argv.join(' '));
    t.match(code === 0 ? stdout : stderr, says);
  }
});
