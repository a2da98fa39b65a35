import { type Static, Type } from 'typebox';
import { type StageTimes, WAITING_STAGES, type WaitingStage } from '../machine/stage.ts';
import { parseDuration } from './parse-units.ts';

/** Pieces that the schemas of several files share. Patterns are plain JSON Schema, so that editors check them too. */
const OCTET = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const LABEL = '[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?';

/** One label of RFC 1123: what a machine calls itself. */
export const LABEL_PATTERN = `^${LABEL}$`;
/** Without anchors; what parseIpv4 reads. */
export const IPV4_PATTERN = `${OCTET}(\\.${OCTET}){3}`;
/** RFC 1123: labels of letters, digits and inner hyphens. */
export const DOMAIN_PATTERN = `^${LABEL}(\\.${LABEL})*$`;
/** What parseMac reads. */
export const MAC_PATTERN =
  '^([0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}(\\.[0-9A-Fa-f]{4}){2}|[0-9A-Fa-f]{12})$';

/** A pattern, and what it means in words. `patternErrorMessage` is understood by the editors' YAML server. */
export function words(pattern: string, expected: string): { pattern: string; patternErrorMessage: string } {
  return { pattern, patternErrorMessage: `expected ${expected}` };
}

export function address(description: string, example: string) {
  return Type.String({
    ...words(`^${IPV4_PATTERN}$`, `an IPv4 address such as ${example}`),
    description,
    examples: [example],
  });
}

export function network(description: string, example: string, extra: object = {}) {
  return Type.String({
    ...words(`^${IPV4_PATTERN}/(\\d|[12]\\d|3[0-2])$`, `an IPv4 network such as ${example}`),
    description,
    examples: [example],
    ...extra,
  });
}

const stageTime = (description: string, fallback: number | undefined) =>
  Type.Optional(
    Type.Union(
      [
        Type.Integer({ minimum: 1, maximum: 0xfffffffe }),
        Type.String(words('^(off|[1-9]\\d{0,9}[smhd]?)$', 'a time such as 5m, 1h or 300 (seconds), or off')),
      ],
      { description, ...(fallback === undefined ? {} : { default: `${fallback / 60}m` }) },
    ),
  );

/** `stageTime:` of role.yaml and tinderbox.yaml. `defaults` in seconds, whole minutes. */
export function stageTimes(description: string, defaults?: Readonly<Record<WaitingStage, number>>) {
  const one = (stage: WaitingStage, next: string) =>
    stageTime(`How long until ${next}, from \`${stage}\` on.`, defaults?.[stage]);
  return Type.Object(
    {
      discovered: one('discovered', 'it is offered a boot'),
      offered: one('offered', 'it has fetched its loader, or its script'),
      firmware: one('firmware', 'iPXE has fetched its script'),
      script: one('script', 'it has its kernel'),
      kernel: one('kernel', 'it has its initrds'),
      initrd: one('initrd', 'its system has fetched its configuration'),
      config: one('config', 'it says that it has booted'),
      booted: one('booted', 'its Node is Ready'),
    } satisfies Record<WaitingStage, unknown>,
    { additionalProperties: false, description, examples: [{ kernel: '5m', booted: '10m' }] },
  );
}

export function readStageTimes(raw: Static<ReturnType<typeof stageTimes>>): StageTimes {
  return Object.fromEntries(
    WAITING_STAGES.flatMap((stage) => {
      const value = raw[stage];
      if (value === undefined) return [];
      return [[stage, value === 'off' ? value : (parseDuration(value) ?? 'off')]];
    }),
  );
}
