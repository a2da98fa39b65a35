import { compareSessions, type StageDifference } from '../../boot/compare-sessions.ts';
import { cardParts, describeCpu, diskParts, formatBytes } from '../../boot/describe-hardware.ts';
import { formatLabels } from '../../boot/read-labels.ts';
import type { BootEvent } from '../../machine/event.ts';
import { fleetState } from '../../machine/fleet-state.ts';
import type { Hardware } from '../../machine/hardware.ts';
import type { Stage } from '../../machine/stage.ts';
import type { MachineView, SessionView } from '../api.ts';
import { STATE_WORDS, type Tone } from './fleet-row.ts';
import { type StageRow, stageRows } from './stages-model.ts';
import { type TimelineModel, timelineOf } from './timeline-model.ts';

/** What the page of a machine shows of what happened; everything that its view asks for is there. */
export interface MachineModel {
  readonly mac: string;
  readonly name: string;
  readonly state: StateWord;
  readonly facts: readonly Fact[];
  readonly hardware: readonly Fact[];
  readonly diagnosis: DiagnosisModel | undefined;
  readonly session: SessionModel | undefined;
  readonly sessions: readonly SessionLink[];
  /** There are sessions beside the one that is shown. */
  readonly hasOthers: boolean;
  readonly stages: readonly StageRow[];
  readonly timeline: TimelineModel;
  readonly comparison: ComparisonModel | undefined;
}

export interface StateWord {
  readonly word: string;
  readonly tone: Tone;
}

export interface Fact {
  readonly name: string;
  readonly value: string;
  /** Milliseconds since the epoch: the value is a time. */
  readonly at: number | undefined;
}

interface DiagnosisModel {
  readonly name: string;
  readonly title: string;
  readonly evidence: readonly string[];
  readonly remedy: string;
  readonly at: number;
  readonly stage: Stage;
}

interface SessionModel {
  readonly id: number;
  readonly openedAt: number;
  readonly took: number;
  readonly isOver: boolean;
  readonly stage: Stage;
  readonly state: StateWord;
  readonly isToken: boolean;
}

interface SessionLink {
  readonly id: number;
  readonly openedAt: number;
  readonly took: number;
  readonly stage: Stage;
  readonly role: string;
  readonly state: StateWord;
  readonly chosen: boolean;
}

interface ComparisonModel {
  readonly beforeId: number;
  readonly beforeAt: number;
  readonly nowId: number;
  readonly stages: readonly {
    readonly stage: Stage;
    readonly before: number | undefined;
    readonly now: number | undefined;
    readonly words: string;
    readonly tone: Tone;
  }[];
  readonly changed: readonly {
    readonly what: string;
    readonly before: string | undefined;
    readonly now: string | undefined;
  }[];
  readonly same: string;
  readonly unknown: readonly string[];
}

export interface MachineHistory {
  readonly machine: MachineView;
  /** Newest first. */
  readonly sessions: readonly SessionView[];
  /** The one that is shown, and its events, oldest first. */
  readonly session: SessionView | undefined;
  readonly events: readonly BootEvent[];
  /** The last boot before it that worked. */
  readonly former: { readonly session: SessionView; readonly events: readonly BootEvent[] } | undefined;
  /** A window of the events, 0 the newest. */
  readonly window: number;
  readonly now: number;
}

const MOST_SESSION_LINKS = 20;

export function machineModel(history: MachineHistory): MachineModel {
  const { machine, sessions, session, events, former, window, now } = history;
  const newest = sessions.find(({ signingUntil }) => signingUntil === undefined) ?? sessions[0];
  return {
    mac: machine.mac,
    name: session?.hostname ?? machine.hostname ?? machine.mac,
    state: newest === undefined ? { word: 'seen', tone: 'idle' } : stateOf(newest),
    facts: factsOf(machine, newest),
    hardware: hardwareOf(machine.hardware),
    diagnosis: diagnosisOf(session),
    session: session === undefined ? undefined : sessionModel(session, now),
    sessions: sessions.slice(0, MOST_SESSION_LINKS).map((one) => ({
      ...sessionModel(one, now),
      role: one.role ?? '',
      chosen: one.id === session?.id,
    })),
    hasOthers: sessions.length > 1,
    stages: session === undefined || session.signingUntil !== undefined ? [] : stageRows(session, now),
    timeline: timelineOf(events, session?.openedAt ?? events[0]?.at ?? now, window),
    comparison:
      former === undefined || session === undefined ? undefined : comparisonOf(former, { session, events }),
  };
}

/** One word for where a boot stands, and its colour. */
export function stateOf(
  session: Pick<SessionView, 'end' | 'stalled' | 'failedAt' | 'waitingSince' | 'signingUntil'>,
): StateWord {
  if (session.signingUntil !== undefined) return { word: 'signing token', tone: 'idle' };
  if (session.end === 'superseded') {
    return { word: session.stalled === undefined ? 'given up' : 'stalled, given up', tone: 'idle' };
  }
  const { label, tone } = STATE_WORDS[fleetState(session)];
  return { word: label, tone };
}

function sessionModel(session: SessionView, now: number): SessionModel {
  const isOver = session.end !== undefined;
  return {
    id: session.id,
    openedAt: session.openedAt,
    took: Math.max(0, (session.endedAt ?? (isOver ? session.updatedAt : now)) - session.openedAt),
    isOver,
    stage: session.stage,
    state: stateOf(session),
    isToken: session.signingUntil !== undefined,
  };
}

function factsOf(machine: MachineView, session: SessionView | undefined): readonly Fact[] {
  const product = [machine.manufacturer, machine.product].filter((part) => part !== undefined).join(' ');
  return [
    ...fact('MAC', machine.mac),
    ...fact('Role', session?.role),
    ...fact('Address', session?.address ?? machine.address),
    ...fact('Hardware', product),
    ...fact('Serial', machine.serial),
    ...fact('Asset tag', machine.asset),
    ...fact('Processor', machine.arch),
    ...fact('Firmware', firmwareOf(machine)),
    ...fact('UUID', machine.uuid),
    ...fact('Labels', formatLabels(machine.labels)),
    ...fact(
      'Heard on',
      machine.relay === undefined ? machine.via : `${machine.via ?? ''} through ${machine.relay}`,
    ),
    { name: 'First seen', value: '', at: machine.firstSeen },
    { name: 'Last seen', value: '', at: machine.lastSeen },
  ];
}

function firmwareOf({ platform, hardware }: MachineView): string | undefined {
  const { firmware } = hardware ?? {};
  const kind = firmware?.kind ?? (platform === 'efi' ? 'uefi' : platform === 'pcbios' ? 'bios' : undefined);
  const words = [
    kind?.toUpperCase(),
    firmware?.vendor,
    firmware?.version,
    firmware?.date,
    firmware?.secureBoot === true ? 'Secure Boot on' : undefined,
  ].filter((part) => part !== undefined);
  return words.length === 0 ? undefined : words.join(' ');
}

/** A list that a machine sent; more than this is no server. */
const MOST_PARTS = 32;

function hardwareOf(hardware: Hardware | undefined): readonly Fact[] {
  if (hardware === undefined) return [];
  const { cpu, memory, disks, network } = hardware;
  return [
    ...fact('CPU', cpu === undefined ? undefined : describeCpu(cpu)),
    ...fact('Memory', memory === undefined ? undefined : formatBytes(memory)),
    ...disks.slice(0, MOST_PARTS).flatMap((disk) => partFact(`Disk ${disk.name}`, diskParts(disk))),
    ...network.slice(0, MOST_PARTS).flatMap((card) => partFact(`Network ${card.name}`, cardParts(card))),
    { name: `Told by ${hardware.source === 'ipxe' ? 'iPXE' : 'Linux'}`, value: '', at: hardware.at },
  ];
}

function partFact(name: string, known: readonly string[]): readonly Fact[] {
  return fact(name, known.length === 0 ? 'there' : known.join(', '));
}

function fact(name: string, value: string | undefined): readonly Fact[] {
  return value === undefined || value === '' ? [] : [{ name, value, at: undefined }];
}

function diagnosisOf(session: SessionView | undefined): DiagnosisModel | undefined {
  if (session?.stalled === undefined) return undefined;
  const { at, stage, diagnosis } = session.stalled;
  return { ...diagnosis, at, stage };
}

const VERDICTS: Readonly<
  Record<StageDifference['verdict'], { readonly words: string; readonly tone: Tone }>
> = {
  alike: { words: 'as before', tone: 'good' },
  slower: { words: 'slower', tone: 'warn' },
  faster: { words: 'faster', tone: 'good' },
  missing: { words: 'not reached', tone: 'bad' },
  new: { words: 'was not there before', tone: 'idle' },
};

function comparisonOf(
  before: NonNullable<MachineHistory['former']>,
  now: NonNullable<MachineHistory['former']>,
): ComparisonModel {
  const isUnderWay = now.session.end === undefined && now.session.stalled === undefined;
  const { stages, changed, same, unknown } = compareSessions(before, now);
  return {
    beforeId: before.session.id,
    beforeAt: before.session.openedAt,
    nowId: now.session.id,
    stages: stages.map(({ stage, before: was, now: is, verdict }) => ({
      stage,
      before: was,
      now: is,
      ...(isUnderWay && verdict === 'missing'
        ? { words: 'not yet', tone: 'idle' as const }
        : VERDICTS[verdict]),
    })),
    changed: changed.map(({ what, before: was, now: is }) => ({ what, before: was, now: is })),
    same: same.join(', '),
    unknown,
  };
}
