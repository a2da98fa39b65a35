import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MachinesSchema, RoleSchema } from '../src/catalog/schema.ts';
import { ConfigSchema } from '../src/config/schema.ts';
import { DescriptionSchema } from '../src/render/description-schema.ts';

/**
 * JSON Schemas for editors, from the schemas that the files are read with. `node schemas/generate.ts` writes them
 * beside this file; a test fails if they are not what it would write.
 */
const SCHEMAS: Readonly<Record<string, object>> = {
  'tinderbox.schema.json': ConfigSchema,
  'machines.schema.json': MachinesSchema,
  'role.schema.json': RoleSchema,
  'description.schema.json': DescriptionSchema,
};

/** File name → text. Draft 7 is what the editors' YAML server knows best. */
export function generateSchemas(): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(SCHEMAS).map(([name, schema]) => {
      const withDialect = { $schema: 'http://json-schema.org/draft-07/schema#', ...schema };
      return [name, `${JSON.stringify(withDialect, null, 2)}\n`];
    }),
  );
}

/** As committed. */
export function readSchema(name: string): string {
  return readFileSync(join(import.meta.dirname, name), 'utf8');
}

if (import.meta.main) {
  for (const [name, text] of generateSchemas()) writeFileSync(join(import.meta.dirname, name), text);
}
