import { join } from 'node:path';
import { parse } from 'yaml';
import type { Parameters } from '../../../src/machine/role.ts';
import type { TemplateContext } from '../../../src/render/context.ts';
import { renderConfig } from '../../../src/render/render-config.ts';
import { contextOf, readShippedRole, roleOf } from '../../render/read-shipped-role.ts';

export const PROFILES = join(import.meta.dirname, '../../../profiles');

/** A file that a machine would write. */
export interface RenderedFile {
  readonly path: string;
  readonly content: string;
  readonly permissions?: string;
}

export interface RenderedUnit {
  readonly name: string;
  readonly content?: string;
  readonly drop_ins?: readonly { readonly name: string; readonly content: string }[];
}

export interface RenderedMachine {
  readonly files: ReadonlyMap<string, RenderedFile>;
  readonly units: ReadonlyMap<string, RenderedUnit>;
  readonly body: string;
}

/** A shipped role as a machine gets it, checked on the way as what is served is. */
export function renderShippedRole(
  name: string,
  parameters: Parameters = {},
  changes: Partial<TemplateContext> = {},
): RenderedMachine {
  const role = readShippedRole(PROFILES, name);
  const all = { ...role.parameters, ...parameters };
  return machineOf(renderConfig(role, contextOf(role, { parameters: all, ...changes })).body);
}

/** A cloud-config made of shipped partials: `template` is the text after `#cloud-config`. */
export function renderPartials(template: string, parameters: Parameters = {}): RenderedMachine {
  const { partials } = readShippedRole(PROFILES, 'worker');
  const role = roleOf(`#cloud-config\n${template}`, parameters, partials);
  return machineOf(renderConfig(role, contextOf(role)).body);
}

export function contentOf(machine: RenderedMachine, path: string): string {
  const file = machine.files.get(path);
  if (file === undefined)
    throw new Error(`${path} is not written; there are ${[...machine.files.keys()].join(', ')}`);
  return file.content;
}

function machineOf(body: string): RenderedMachine {
  const { write_files: files = [], coreos } = parse(body) as {
    write_files?: readonly RenderedFile[];
    coreos?: { units?: readonly RenderedUnit[] };
  };
  return {
    files: new Map(files.map((file) => [file.path, file])),
    units: new Map((coreos?.units ?? []).map((unit) => [unit.name, unit])),
    body,
  };
}
