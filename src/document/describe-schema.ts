/** The part of JSON Schema that our TypeBox schemas use. */
export interface SchemaNode {
  readonly type?: string;
  readonly const?: string | number | boolean;
  readonly enum?: readonly (string | number)[];
  readonly anyOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly propertyNames?: SchemaNode;
  readonly additionalProperties?: unknown;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  /** 0 or 1. */
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  /**
   * `expected …`: what the pattern means, in words. The editors' language servers know this keyword too.
   */
  readonly patternErrorMessage?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** What the schema allows, as the object of "expected". */
export function describeSchema(schema: SchemaNode): string {
  if (schema.patternErrorMessage !== undefined) {
    const words = schema.patternErrorMessage.replace(/^expected /, '');
    return schema.maxLength === undefined ? words : `${words}, of at most ${schema.maxLength} characters`;
  }
  const values = allowedValues(schema);
  if (values !== undefined) return values.length === 1 ? String(values[0]) : `one of ${values.join(', ')}`;
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(describeSchema))].join(', or ');
  switch (schema.type) {
    case 'object':
      return schema.properties === undefined ? 'a map' : `a map with the keys ${keysOf(schema).join(', ')}`;
    case 'array':
      return schema.items === undefined ? 'a list' : `a list of: ${describeSchema(schema.items)}`;
    case 'integer':
      return describeNumber('a whole number', schema);
    case 'number':
      return describeNumber('a number', schema);
    case 'boolean':
      return 'true or false';
    case 'string':
      return describeText(schema);
    case 'null':
      return 'nothing';
    default:
      return 'anything';
  }
}

/** The values of an enumeration, or of a union of nothing but single values. */
export function allowedValues(schema: SchemaNode): readonly (string | number | boolean)[] | undefined {
  if (schema.const !== undefined) return [schema.const];
  if (schema.enum !== undefined) return schema.enum;
  if (schema.anyOf === undefined) return undefined;
  const values = schema.anyOf.map(allowedValues);
  return values.every((value) => value !== undefined) ? values.flat() : undefined;
}

export function keysOf(schema: SchemaNode): string[] {
  return Object.keys(schema.properties ?? {});
}

function describeText({ minLength = 0, maxLength }: SchemaNode): string {
  if (maxLength === undefined) return minLength === 0 ? 'text' : 'text that is not empty';
  return minLength === 0
    ? `text of at most ${maxLength} characters`
    : `text of ${minLength} to ${maxLength} characters`;
}

function describeNumber(noun: string, schema: SchemaNode): string {
  if (schema.minimum !== undefined && schema.maximum !== undefined) {
    return `${noun} from ${schema.minimum} to ${schema.maximum}`;
  }
  if (schema.minimum !== undefined) return `${noun} of at least ${schema.minimum}`;
  if (schema.maximum !== undefined) return `${noun} of at most ${schema.maximum}`;
  return noun;
}
