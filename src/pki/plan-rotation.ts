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

/** What would have to be done to change each authority, and when. Changes nothing. `now`: ms since the epoch. */
export function planRotation(
  descriptions: readonly AuthorityDescription[],
  now: number,
): readonly RotationPlan[] {
  return descriptions.map(({ name, notAfter, alsoTrusted }) => {
    const issuers = alsoTrusted.filter(({ relation }) => relation === 'issuer');
    const others = alsoTrusted.filter(({ relation }) => relation === 'other');
    const expires = Math.min(notAfter, ...issuers.map((issuer) => issuer.notAfter));
    const startBy = expires - LEAD;
    return {
      authority: name,
      expires,
      startBy,
      state: now >= expires ? 'expired' : others.length > 0 ? 'under-way' : now >= startBy ? 'due' : 'fine',
      steps: now >= expires ? stepsAfterExpiry(name) : stepsOf(name, others),
    };
  });
}

const make = (name: AuthorityName): RotationStep => ({
  what: 'make a new authority, on a host that keeps its key safe',
  command: [
    'openssl req -x509 -newkey rsa:4096 -nodes -days 3652 -sha256',
    `-subj /CN=${name}-ca -keyout new.key -out new.crt`,
    "-addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign,cRLSign'",
  ].join(' '),
});

const replace = (name: AuthorityName): RotationStep => ({
  what: 'stop Tinderbox, sign with the new one from now on, start it',
  command: `tinderbox ca import --authority ${name} --replace --certificate new.crt --key new.key`,
});

const reboot = (what: string): RotationStep => ({
  what: `boot every machine again, controllers and etcd members one after the other: ${what}`,
});

function stepsOf(name: AuthorityName, others: AuthorityDescription['alsoTrusted']): readonly RotationStep[] {
  const [other] = others;
  return [
    make(name),
    {
      what: 'stop Tinderbox, let machines trust the new one besides the old, start it',
      command: `tinderbox ca import --authority ${name} --trust new.crt`,
    },
    reboot('each then trusts both'),
    replace(name),
    reboot('each then has certificates of the new one'),
    ...(name === 'kubernetes'
      ? [{ what: 'write the kubeconfig files of people again', command: 'tinderbox kubeconfig' }]
      : []),
    {
      what: 'stop Tinderbox, trust the old one no more, start it, and boot every machine a third time',
      command: `tinderbox ca import --authority ${name} --distrust ${other?.fingerprint ?? 'FINGERPRINT'}`,
    },
  ];
}

/** Nobody accepts its certificates any more: there is no order to keep. */
function stepsAfterExpiry(name: AuthorityName): readonly RotationStep[] {
  return [make(name), replace(name), reboot('controllers and etcd members first')];
}
