import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type { Parameters, Role } from '../machine/role.ts';

/** What a machine is to boot, decided when its iPXE asks at `/ipxe`; always with the reasons. */
export type BootPlan =
  | {
      readonly kind: 'boot';
      readonly role: Role;
      readonly hostname: string;
      /** The reservation, if it has one. */
      readonly address?: Ipv4;
      /** The role's, overridden by the rule's, overridden by the machine's. */
      readonly parameters: Parameters;
      /** The rule (`ruleKey`) in whose number it is admitted: its place is to be written down before it boots. */
      readonly place?: string;
      /** Its `once:` gives the role: that this boot tries is to be written down before it boots. */
      readonly once?: string;
      readonly reasons: readonly string[];
    }
  /** Not admitted yet: its screen says so and asks again. */
  | { readonly kind: 'wait'; readonly message: string; readonly reasons: readonly string[] }
  /** Will not boot until the operator changes something. */
  | {
      readonly kind: 'refuse';
      readonly message: string;
      readonly reasons: readonly string[];
      /** The other machine that its hostname belongs to. */
      readonly holder?: Mac;
    };
