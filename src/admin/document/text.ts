import { Type } from 'typebox';

/** What the schemas of the API are made of. */
export const text = (description: string) => Type.String({ description });
export const count = (description: string) => Type.Integer({ minimum: 0, description });
/** Milliseconds since the epoch. */
export const time = (description: string) =>
  Type.Number({ description: `${description} Milliseconds since the epoch.` });
export const flag = (description: string) => Type.Boolean({ description });
export const texts = (description: string) => Type.Array(Type.String(), { description });
export const mac = Type.String({
  pattern: '^[0-9A-Fa-f]{2}([:-]?[0-9A-Fa-f]{2}){5}$|^([0-9A-Fa-f]{4}[.]){2}[0-9A-Fa-f]{4}$',
  patternErrorMessage: 'expected a MAC such as 52:54:00:12:34:56',
  description: 'Hardware address; any usual way to write it is read.',
  examples: ['52:54:00:12:34:56'],
});

export const Problem = Type.Object(
  {
    severity: Type.Enum(['error', 'warning']),
    message: Type.String(),
    file: Type.Optional(Type.String()),
    line: Type.Optional(Type.Integer()),
    column: Type.Optional(Type.Integer()),
    remedy: Type.Optional(Type.String()),
  },
  { description: 'One thing that is wrong, where it is, and what to do about it.' },
);
