import { Validator } from '@seriousme/openapi-schema-validator';
import t from 'tap';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import type * as api from '../../../src/admin/api.ts';
import type { AuditListView } from '../../../src/admin/audit-api.ts';
import type { ConsoleView } from '../../../src/admin/console-api.ts';
import type { DoctorReport } from '../../../src/admin/doctor-api.ts';
import type * as daemon from '../../../src/admin/document/daemon-schemas.ts';
import type * as machine from '../../../src/admin/document/machine-schemas.ts';
import { OPERATIONS } from '../../../src/admin/document/operations.ts';
import type {
  ExplainView,
  PreviewView,
  RoleDetailView,
  RoleListView,
} from '../../../src/admin/explain-api.ts';
import { ask, boot, MAC, startAdmin, T0 } from '../../support/start-admin.ts';

/** What a schema says and what the type says, without `readonly` and brands: each must fit the other. */
type Plain<T> = T extends string
  ? string extends T
    ? string
    : T extends { readonly [key: symbol]: unknown }
      ? string
      : T
  : T extends number
    ? number
    : T extends boolean | null | undefined
      ? T
      : T extends readonly (infer Item)[]
        ? Plain<Item>[]
        : { -readonly [Key in keyof T]: Plain<T[Key]> };
type Fits<Schema, View> = [Plain<View>] extends [Plain<Schema>] ? true : false;

/** Not run: a view that grows past its schema does not compile. */
const AGREED: readonly true[] = [
  true satisfies Fits<Static<typeof machine.MachineList>, api.MachineListView>,
  true satisfies Fits<Static<typeof machine.MachineDetail>, api.MachineDetailView>,
  true satisfies Fits<Static<typeof machine.EventList>, api.EventListView>,
  true satisfies Fits<Static<typeof machine.Console>, ConsoleView>,
  true satisfies Fits<Static<typeof machine.Explanation>, ExplainView>,
  true satisfies Fits<Static<typeof machine.Preview>, PreviewView>,
  true satisfies Fits<Static<typeof daemon.Status>, api.StatusView>,
  true satisfies Fits<Static<typeof daemon.Assigned>, api.AssignView>,
  true satisfies Fits<Static<typeof daemon.Approved>, api.ApproveView>,
  true satisfies Fits<Static<typeof daemon.Forgotten>, api.ForgetView>,
  true satisfies Fits<Static<typeof daemon.Log>, api.LogView>,
  true satisfies Fits<Static<typeof daemon.Audit>, AuditListView>,
  true satisfies Fits<Static<typeof daemon.Doctor>, DoctorReport>,
  true satisfies Fits<Static<typeof daemon.RoleList>, RoleListView>,
  true satisfies Fits<Static<typeof daemon.RoleDetail>, RoleDetailView>,
  true satisfies Fits<Static<typeof daemon.ProblemDocument>, api.ProblemDocument>,
];

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>;
}
interface DocumentedOperation {
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: object }>> }>
  >;
}

const BODIES: Readonly<Record<string, object>> = {
  '/api/v1/assign': { mac: MAC, role: 'worker', hostname: 'node-1' },
  '/api/v1/approve': { mac: MAC },
  '/api/v1/forget': { mac: MAC },
  '/api/v1/log': { level: 'debug', part: 'dhcp', trace: MAC, seconds: 60 },
  '/api/v1/machines/{mac}/power': { action: 'on' },
  '/api/v1/machines/{mac}/signing-token': { days: 1 },
};

/** Answers must hold nothing that the document does not name. */
function close(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(close);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, close(value)]));
  return 'properties' in copy ? { ...copy, additionalProperties: false } : copy;
}

t.test('the document is OpenAPI 3.1, and every route of the API stands in it', async (t) => {
  t.ok(AGREED.every(Boolean));
  const { socket } = await startAdmin(t);
  const answer = await ask(socket, 'GET', '/api/v1/openapi.json');
  const document = JSON.parse(answer.text) as Document;
  t.equal(document.openapi, '3.1.0');
  const result = await new Validator().validate(JSON.parse(answer.text) as Record<string, unknown>);
  t.ok(result.valid, JSON.stringify(result.errors)?.slice(0, 500));
  const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
  );
  t.same(documented.toSorted(), Object.keys(OPERATIONS).toSorted());
});

t.test('each route answers what the document says, and so does each refusal', async (t) => {
  const { socket, journal, client } = await startAdmin(t);
  boot(journal, MAC, T0);
  await client.assign({ mac: MAC, role: 'worker' });
  const { text } = await ask(socket, 'GET', '/api/v1/openapi.json');
  const { paths } = JSON.parse(text) as Document;
  let called = 0;
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      if (operation.responses['200']?.content?.['text/event-stream'] !== undefined) continue;
      const url = path.replace('{mac}', MAC).replace('{name}', 'worker');
      const body = BODIES[path];
      const post = body === undefined || method === 'get' ? undefined : JSON.stringify(body);
      const answer = await ask(socket, method.toUpperCase(), url, post);
      const name = `${method} ${path}`;
      t.equal(answer.status, 200, `${name} ${answer.status === 200 ? '' : answer.text}`);
      const [type = ''] = answer.type.split(';');
      const schema = operation.responses['200']?.content?.[type]?.schema;
      if (!t.ok(schema, `${name}: ${type} is documented`) || type !== 'application/json') continue;
      if (path !== '/api/v1/openapi.json') {
        const value: unknown = JSON.parse(answer.text);
        const [error] = Value.Errors(close(schema) as object, value);
        t.equal(error, undefined, `${name} ${JSON.stringify(error)}`);
      }
      called++;
    }
  }
  t.ok(called > 15);
  const refused = await ask(socket, 'GET', '/api/v1/machines?limit=x');
  const problem =
    paths['/api/v1/machines']?.get?.responses['default']?.content?.['application/problem+json']?.schema;
  t.equal(refused.status, 400);
  t.match(JSON.parse(refused.text), {
    errors: [{ pointer: '#/limit', detail: /a whole number of at least 1/ }],
  });
  t.ok(Value.Check(close(problem) as object, JSON.parse(refused.text)));
});
