import type { AuthorityName } from '../machine/identity.ts';
import type { AuthorityDescription } from './port.ts';

export interface RotationStep {
  readonly what: string;
  readonly command?: string;
}

export interface RotationPlan {
  readonly authority: AuthorityName;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  /** When to begin at the latest: every machine has to boot three times before it expires. */
  readonly startBy: number;
  readonly state: 'fine' | 'due' | 'expired' | 'under-way';
  readonly steps: readonly RotationStep[];
}

const DAY = 24 * 60 * 60 * 1000;
const LEAD = 180 * DAY;

/**
 * What is left to do to change each authority, and when. Changes nothing. `now`: ms since the epoch. `folder`: where former
 * authorities' files are kept.
 */
export function planRotation(
  descriptions: readonly AuthorityDescription[],
  now: number,
  folder: string,
): readonly RotationPlan[] {
  return descriptions.map((authority) => {
    const { name, notAfter, alsoTrusted } = authority;
    const issuers = alsoTrusted.filter(({ relation }) => relation === 'issuer');
    const others = alsoTrusted.filter(({ relation }) => relation === 'other');
    const expires = Math.min(notAfter, ...issuers.map((issuer) => issuer.notAfter));
    const startBy = expires - LEAD;
    return {
      authority: name,
      expires,
      startBy,
      state: now >= expires ? 'expired' : others.length > 0 ? 'under-way' : now >= startBy ? 'due' : 'fine',
      steps: now >= expires ? stepsAfterExpiry(name, folder) : stepsOf(authority, others, folder),
    };
  });
}

/** By authority: three plans that are carried out in one folder do not take each other's files. */
const certificateOf = (name: AuthorityName): string => `new-${name}.crt`;
const keyOf = (name: AuthorityName): string => `new-${name}.key`;

const make = (name: AuthorityName): RotationStep => ({
  what: 'make a new authority, on a host that keeps its key safe',
  command: [
    'openssl req -x509 -newkey rsa:4096 -nodes -days 3652 -sha256',
    `-subj /CN=${name}-ca -keyout ${keyOf(name)} -out ${certificateOf(name)}`,
    "-addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign,cRLSign'",
  ].join(' '),
});

const replace = (name: AuthorityName): RotationStep => ({
  what: 'stop Tinderbox, sign with the new one from now on, start it',
  command: `sudo tinderbox ca import --authority ${name} --replace --certificate ${certificateOf(name)} --key ${keyOf(name)}`,
});

const reboot = (what: string): RotationStep => ({
  what: `boot every machine again, controllers and etcd members one after the other: ${what}`,
});

/** The folder is not everybody's to list, so the shell cannot fill in the name. */
const removeFormer = (name: AuthorityName, folder: string): RotationStep => ({
  what: "remove the former one's file: its private key is in it",
  command: `sudo find ${folder} -name '${name}.until-*.old' -delete`,
});

function stepsOf(
  { name, fingerprint, notBefore }: AuthorityDescription,
  others: AuthorityDescription['alsoTrusted'],
  folder: string,
): readonly RotationStep[] {
  // One that is younger is the next, which is only trusted yet. Else what is trusted besides was replaced.
  const isNext = others.some((other) => other.notBefore > notBefore);
  const isReplaced = others.length > 0 && !isNext;
  const former = isReplaced ? others.map((other) => other.fingerprint) : [fingerprint];
  return [
    ...(others.length > 0
      ? []
      : [
          make(name),
          {
            what: 'stop Tinderbox, let machines trust the new one besides the old, start it',
            command: `sudo tinderbox ca import --authority ${name} --trust ${certificateOf(name)}`,
          },
        ]),
    ...(isReplaced ? [] : [reboot('each then trusts both'), replace(name)]),
    reboot('each then has certificates of the new one'),
    ...(name === 'kubernetes'
      ? [{ what: 'write the kubeconfig files of people again', command: 'sudo tinderbox kubeconfig' }]
      : []),
    ...former.map((print) => ({
      what: 'stop Tinderbox, trust the old one no more, start it, and boot every machine a third time',
      command: `sudo tinderbox ca import --authority ${name} --distrust ${print}`,
    })),
    removeFormer(name, folder),
  ];
}

/** Nobody accepts its certificates any more: there is no order to keep. */
function stepsAfterExpiry(name: AuthorityName, folder: string): readonly RotationStep[] {
  return [
    make(name),
    replace(name),
    reboot('controllers and etcd members first'),
    removeFormer(name, folder),
  ];
}
