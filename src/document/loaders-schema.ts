import { Type } from 'typebox';
import { FIRMWARE_ARCHITECTURES } from '../machine/architecture.ts';
import { words } from './text-schemas.ts';

const LOADER_NAMES = [...new Set(FIRMWARE_ARCHITECTURES.map((architecture) => architecture.name))];
const loader = (label: string) =>
  Type.Optional(
    Type.String({
      ...words(
        '^(?!/)(?!.*(^|/)\\.\\.(/|$))[^\\s\\\\]+$',
        'a file name such as undionly.kpxe, relative and without ..',
      ),
      maxLength: 127,
      description: `Boot file for ${label}.`,
    }),
  );

/** `loaders:` of tinderbox.yaml and of a role. */
export function loadersSchema(description: string) {
  return Type.Object(
    Object.fromEntries(
      LOADER_NAMES.map((name) => [
        name,
        loader(FIRMWARE_ARCHITECTURES.find((architecture) => architecture.name === name)?.label ?? name),
      ]),
    ),
    { additionalProperties: false, description, examples: [{ 'uefi-x64': 'ipxe.efi' }] },
  );
}

/** `secureBoot:` of both. */
export function secureBootSchema(description: string) {
  return Type.Boolean({ description, default: false });
}
