import { architectureByCode, type FirmwareArchitecture } from '../machine/architecture.ts';
import type { BootEvent } from '../machine/event.ts';
import { isLoaderName } from './generated-files.ts';

/** What a boot session's events say, sorted by what rules ask of them. Each list is oldest first. */
export interface SessionTrace {
  readonly events: readonly BootEvent[];
  /** What its firmware calls itself, by option 93. */
  readonly firmware?: FirmwareArchitecture;
  /** The newest DHCP or port 4011 event of a network boot. */
  readonly lastBootQuestion?: BootEvent;
  /** DISCOVERs that were offered a boot since whoever sent them last sent a REQUEST. */
  readonly unclaimedOffers: readonly BootEvent[];
  readonly romDiscovers: readonly BootEvent[];
  readonly romRequests: readonly BootEvent[];
  /** On port 4011, answered. */
  readonly pxeRequests: readonly BootEvent[];
  readonly ipxeDiscovers: readonly BootEvent[];
  readonly ipxeRequests: readonly BootEvent[];
  /** Of the operating system, or of a stranger. */
  readonly systemRequests: readonly BootEvent[];
  readonly tftpReads: readonly BootEvent[];
  readonly tftpRefused: readonly BootEvent[];
  /** The four ways in which a transfer ends. */
  readonly tftpWhole: readonly BootEvent[];
  readonly tftpProbes: readonly BootEvent[];
  readonly tftpAborted: readonly BootEvent[];
  readonly tftpSilent: readonly BootEvent[];
  /** Loaders that came whole, by TFTP or by HTTP boot. */
  readonly loaders: readonly BootEvent[];
  /** How often the ROM came back after it had taken a loader, with no iPXE in between. */
  readonly romReturns: number;
  readonly bootScripts: readonly BootEvent[];
  readonly scripts: readonly BootEvent[];
  /** Of what is not a loader. */
  readonly assets: readonly BootEvent[];
  /** Of the main document, and what went wrong with the files beside it. */
  readonly configs: readonly BootEvent[];
  /** Files beside the main document that were given. */
  readonly configFiles: readonly BootEvent[];
  readonly signings: readonly BootEvent[];
  readonly reports: readonly BootEvent[];
  readonly alarms: readonly BootEvent[];
  readonly nodes: readonly BootEvent[];
  /** What the machine's console said over syslog, with what its error codes mean. */
  readonly console: readonly string[];
}

export type Asker = 'rom' | 'ipxe' | 'other';

/** Who sent a DHCP packet, as `describePacket` told of it. What strangers wrote stands in quotes, and has none inside. */
function whoAsked(asked: string): Asker {
  const userClass = / class "([^"]*)"/.exec(asked)?.[1];
  const classes = userClass?.split(',') ?? [];
  if (classes.includes('iPXE') || classes.includes('tinderbox')) return 'ipxe';
  // Every iPXE sends option 175, also one that plays a vendor's ROM: a user class that says otherwise decides.
  if (userClass === undefined && / iPXE\b/.test(asked.replaceAll(/"[^"]*"/g, ''))) return 'ipxe';
  return /"(PXEClient|HTTPClient)/.test(asked) ? 'rom' : 'other';
}

const from = (asker: Asker) => (event: BootEvent) => whoAsked(event.asked) === asker;
const httpName = ({ asked }: BootEvent) => /^(?:GET|HEAD) \/assets\/ipxe\/+(.*)$/.exec(asked)?.[1];
const isLoader = (event: BootEvent) => {
  const name = httpName(event);
  return name !== undefined && isLoaderName(name);
};
/** What a GRUB without HTTP loads. */
const isTftpAsset = (event: BootEvent) =>
  event.kind.startsWith('tftp.') && /^\/?assets\//.test(tftpName(event));
/** The name that TFTP was asked for, of `RRQ name` and `RRQ name (octet, …)`. */
const tftpName = ({ asked }: BootEvent) => asked.replace(/^RRQ /, '').replace(/ \([^()]*\)$/, '');
/** The file of one of a trace's `loaders`, as `loaders:` names it. */
export function loaderFile(event: BootEvent): string {
  return (httpName(event) ?? tftpName(event)).replace(/^\/+/, '');
}
const isWhole = ({ outcome }: BootEvent) => outcome === 'answered';

export function readTrace(events: readonly BootEvent[]): SessionTrace {
  const of = (...kinds: readonly string[]) => events.filter(({ kind }) => kinds.includes(kind));
  const boots = of('dhcp.discover', 'dhcp.request', 'pxe.discover', 'pxe.request').filter(
    (event) => !from('other')(event),
  );
  const discovers = of('dhcp.discover');
  const requests = of('dhcp.request');
  const pxe = of('pxe.discover', 'pxe.request').filter(({ outcome }) => outcome === 'answered');
  const done = of('tftp.done');
  const ended = (pattern: RegExp) =>
    done.filter((event) => !isWhole(event) && event.reasons.some((reason) => pattern.test(reason)));
  const loaders = events.filter(
    (event) =>
      isWhole(event) &&
      ((event.kind === 'tftp.done' && isLoaderName(tftpName(event))) ||
        (event.kind === 'http.asset' && isLoader(event))),
  );
  const firmware = firmwareOf(boots);
  const lastBootQuestion = boots.at(-1);
  return {
    events,
    ...(firmware === undefined ? {} : { firmware }),
    ...(lastBootQuestion === undefined ? {} : { lastBootQuestion }),
    unclaimedOffers: unclaimed(boots),
    romDiscovers: discovers.filter(from('rom')),
    romRequests: requests.filter(from('rom')),
    pxeRequests: pxe,
    ipxeDiscovers: discovers.filter(from('ipxe')),
    ipxeRequests: requests.filter(from('ipxe')),
    systemRequests: [...discovers, ...requests].filter(from('other')),
    tftpReads: of('tftp.read').filter(isWhole),
    tftpRefused: of('tftp.read').filter((event) => event.outcome === 'refused' && !isTftpAsset(event)),
    tftpWhole: done.filter(isWhole),
    tftpProbes: ended(/stopped at the options/),
    tftpAborted: ended(/stopped before block/),
    tftpSilent: ended(/^no ACK/),
    loaders,
    romReturns: countReturns(events, loaders),
    bootScripts: of('http.boot-script'),
    scripts: of('http.script'),
    assets: events.filter(
      (event) =>
        (event.kind === 'http.asset' && !isLoader(event)) ||
        // A transfer is told twice, when it begins and when it ends; of a refusal there is the beginning alone.
        (isTftpAsset(event) && (event.kind === 'tftp.done' || event.outcome === 'refused')),
    ),
    configs: events.filter(
      ({ kind, outcome }) =>
        kind === 'http.config' || (kind === 'http.config-file' && outcome !== 'answered'),
    ),
    configFiles: of('http.config-file').filter(({ outcome }) => outcome === 'answered'),
    signings: of('http.csr'),
    reports: of('http.report'),
    alarms: of('security.alarm'),
    nodes: events.filter(({ kind }) => kind.startsWith('node.')),
    console: of('syslog.line').map(({ asked, answered, reasons }) =>
      [asked, answered, ...reasons].filter((text) => text !== '').join(' – '),
    ),
  };
}

function firmwareOf(boots: readonly BootEvent[]): FirmwareArchitecture | undefined {
  // An iPXE tells its own architecture: undionly.kpxe is a BIOS's, too, but an HTTP boot's code is the ROM's alone.
  const rom = boots.findLast(({ asked }) => whoAsked(asked) === 'rom') ?? boots.at(-1);
  const code = / arch (\d+)/.exec(rom?.asked ?? '')?.[1];
  return code === undefined ? undefined : architectureByCode(Number(code));
}

/** An offer without a boot file is one of an address alone, as who has no loader gets in server mode. */
export function offersBoot({ outcome, answered }: BootEvent): boolean {
  return outcome === 'answered' && / boot /.test(answered);
}

function unclaimed(boots: readonly BootEvent[]): readonly BootEvent[] {
  const last = boots.at(-1);
  if (last === undefined) return [];
  const asker = whoAsked(last.asked);
  const own = boots.filter(({ asked }) => whoAsked(asked) === asker);
  const claimed = own.findLastIndex(({ kind }) => kind !== 'dhcp.discover');
  return own.slice(claimed + 1).filter(offersBoot);
}

function countReturns(events: readonly BootEvent[], loaders: readonly BootEvent[]): number {
  let taken = false;
  let returns = 0;
  for (const event of events) {
    if (loaders.includes(event)) taken = true;
    else if (event.kind === 'http.boot-script' || event.kind === 'http.script') taken = false;
    else if (event.kind === 'dhcp.discover') {
      const asker = whoAsked(event.asked);
      if (asker === 'rom' && taken) returns++;
      if (asker !== 'other') taken = false;
    }
  }
  return returns;
}

/** One event as evidence: what was asked, what came of it, and why. */
export function tell({ asked, answered, outcome, reasons }: BootEvent): string {
  const came = answered === '' ? outcome : outcome === 'answered' ? answered : `${outcome}: ${answered}`;
  // Of an answer the last reason is the one that decided; of a no it may be any.
  const why = outcome === 'answered' ? (reasons.at(-1) ?? '') : reasons.join('; ');
  return `${asked} -> ${came}${why === '' ? '' : ` (${why})`}`;
}
