import { Value } from 'typebox/value';
import { describeSchema, type SchemaNode } from '../../document/describe-schema.ts';
import { type FieldProblem, TinderboxError } from '../../errors.ts';

/** Of a text that is shown again. */
const MOST_SHOWN = 80;

/**
 * What is wrong with a part of a request, every field at once: TinderboxError `usage`, or undefined. The API takes flat
 * objects. `areTexts`: of a query or a path, where a number comes as its digits.
 */
export function checkRequest(
  schema: SchemaNode,
  given: unknown,
  options: { readonly areTexts: boolean },
): TinderboxError | undefined {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return new TinderboxError('usage', 'the body is no JSON object');
  const { properties = {}, required = [], additionalProperties } = schema;
  const fields: FieldProblem[] = [];
  const report = (key: string, detail: string): void => void fields.push({ pointer: pointerTo(key), detail });
  for (const [key, value] of Object.entries(given)) {
    const wanted = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (wanted === undefined) {
      if (additionalProperties === false) {
        report(
          key.slice(0, MOST_SHOWN),
          `unknown key ${show(key)}; allowed are ${Object.keys(properties).join(', ')}`,
        );
      }
    } else if (!Value.Check(wanted as object, options.areTexts ? readDigits(wanted, value) : value)) {
      report(key, `${key}: expected ${describeSchema(wanted)}; got ${show(value)}`);
    }
  }
  for (const key of required) {
    const wanted = describeSchema(properties[key] ?? {});
    if (!Object.hasOwn(given, key)) report(key, `${key} is missing: expected ${wanted}`);
  }
  const [first] = fields;
  return first === undefined ? undefined : new TinderboxError('usage', first.detail, { fields });
}

function readDigits({ type }: SchemaNode, value: unknown): unknown {
  return type === 'integer' && typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
}

/** RFC 6901. */
function pointerTo(key: string): string {
  return `#/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
