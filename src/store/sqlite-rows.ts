import type { MachineArch } from '../machine/architecture.ts';
import type { Stall } from '../machine/diagnosis.ts';
import type { BootEvent, EventKind, Outcome } from '../machine/event.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { Hardware } from '../machine/hardware.ts';
import type { CertificateName } from '../machine/identity.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type {
  BootSession,
  FormerRegistration,
  LastStage,
  NodeRegistration,
  SessionEnd,
} from '../machine/session.ts';
import type { Stage } from '../machine/stage.ts';
import type { GivenCertificate, Lease, MachineRecord, Release, StoredMachine } from './port.ts';

/** The tables' rows: columns as SQLite holds them, null for what is not known. */
export interface LeaseRow {
  readonly address: number;
  readonly mac: string;
  readonly state: string;
  readonly expires_at: number;
  readonly via: string;
  readonly hostname: string | null;
}

export interface MachineRow {
  readonly mac: string;
  readonly uuid: string | null;
  readonly arch: string | null;
  readonly relay: number | null;
  readonly address: number | null;
  readonly serial: string | null;
  readonly asset: string | null;
  readonly manufacturer: string | null;
  readonly product: string | null;
  readonly platform: string | null;
  readonly first_seen: number;
  readonly last_seen: number;
  readonly via: string | null;
  readonly hostname: string | null;
  readonly hardware: string | null;
  readonly labels: string | null;
  /** 0 or 1. */
  readonly listed: number;
}

export interface SessionRow {
  readonly id: number;
  readonly mac: string;
  readonly opened_at: number;
  readonly updated_at: number;
  readonly stage: string;
  readonly stage_times: string;
  readonly ended_as: string | null;
  readonly ended_at: number | null;
  readonly script_at: number | null;
  readonly failed_at: number | null;
  readonly stalled: string | null;
  readonly alarmed_at: number | null;
  readonly waiting_since: number | null;
  readonly signing_until: number | null;
  readonly last_stage: string | null;
  readonly boot_id: string | null;
  readonly former_boot_id: string | null;
  readonly registration: string | null;
  readonly former_registration: string | null;
  readonly role: string | null;
  readonly hostname: string | null;
  readonly address: number | null;
}

export interface EventRow {
  readonly at: number;
  readonly mac: string | null;
  readonly session_id: number | null;
  readonly kind: string;
  readonly stage: string | null;
  readonly outcome: string;
  readonly asked: string;
  readonly answered: string;
  readonly reasons: string;
  readonly via: string | null;
}

export interface ReleaseRow {
  readonly session_id: number;
  readonly begun_at: number;
  readonly address: number;
  readonly completed_at: number | null;
}

export interface CertificateRow {
  readonly session_id: number;
  readonly name: string;
  readonly key_fingerprint: string;
  readonly serial: string;
  readonly subject: string;
  readonly given_at: number;
  readonly not_after: number;
  readonly address: number | null;
}

type Known<T> = { [K in keyof T]?: Exclude<T[K], null> };

/** Leaves out what is null: in the program, what is not known is absent. */
function known<T extends object>(fields: T): Known<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as Known<T>;
}

function toJson(value: object | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

function fromJson(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}

export function leaseFromRow(row: LeaseRow): Lease {
  return {
    address: row.address as Ipv4,
    mac: row.mac as Mac,
    state: row.state as Lease['state'],
    expiresAt: row.expires_at,
    via: row.via,
    ...known({ hostname: row.hostname }),
  };
}

export function machineToRow(machine: StoredMachine): MachineRow {
  return {
    mac: machine.mac,
    uuid: machine.uuid ?? null,
    arch: machine.arch ?? null,
    relay: machine.relay ?? null,
    address: machine.address ?? null,
    serial: machine.serial ?? null,
    asset: machine.asset ?? null,
    manufacturer: machine.manufacturer ?? null,
    product: machine.product ?? null,
    platform: machine.platform ?? null,
    first_seen: machine.firstSeen,
    last_seen: machine.lastSeen,
    via: machine.via ?? null,
    hostname: machine.hostname ?? null,
    hardware: toJson(machine.hardware),
    labels: toJson(machine.labels),
    listed: machine.listed === true ? 1 : 0,
  };
}

export function machineFromRow(row: MachineRow): MachineRecord {
  return {
    mac: row.mac as Mac,
    ...known({
      uuid: row.uuid,
      arch: row.arch as MachineArch | null,
      relay: row.relay as Ipv4 | null,
      address: row.address as Ipv4 | null,
      serial: row.serial,
      asset: row.asset,
      manufacturer: row.manufacturer,
      product: row.product,
      platform: row.platform,
      via: row.via,
      hostname: row.hostname,
      hardware: fromJson(row.hardware) as Hardware | null,
      labels: fromJson(row.labels) as NonNullable<MachineFacts['labels']> | null,
    }),
    firstSeen: row.first_seen,
    lastSeen: row.last_seen,
  };
}

export function sessionToRow(session: BootSession): SessionRow {
  return {
    id: session.id,
    mac: session.mac,
    opened_at: session.openedAt,
    updated_at: session.updatedAt,
    stage: session.stage,
    stage_times: JSON.stringify(session.stageTimes),
    ended_as: session.end ?? null,
    ended_at: session.endedAt ?? null,
    script_at: session.scriptAt ?? null,
    failed_at: session.failedAt ?? null,
    stalled: toJson(session.stalled),
    alarmed_at: session.alarmedAt ?? null,
    waiting_since: session.waitingSince ?? null,
    signing_until: session.signingUntil ?? null,
    last_stage: session.lastStage ?? null,
    boot_id: session.bootId ?? null,
    former_boot_id: session.formerBootId ?? null,
    registration: toJson(session.registration),
    former_registration: toJson(session.formerRegistration),
    role: session.role ?? null,
    hostname: session.hostname ?? null,
    address: session.address ?? null,
  };
}

export function sessionFromRow(row: SessionRow): BootSession {
  return {
    id: row.id,
    mac: row.mac as Mac,
    openedAt: row.opened_at,
    updatedAt: row.updated_at,
    stage: row.stage as Stage,
    stageTimes: JSON.parse(row.stage_times) as BootSession['stageTimes'],
    ...known({
      end: row.ended_as as SessionEnd | null,
      endedAt: row.ended_at,
      scriptAt: row.script_at,
      failedAt: row.failed_at,
      stalled: fromJson(row.stalled) as Stall | null,
      alarmedAt: row.alarmed_at,
      waitingSince: row.waiting_since,
      signingUntil: row.signing_until,
      lastStage: row.last_stage as LastStage | null,
      bootId: row.boot_id,
      formerBootId: row.former_boot_id,
      registration: fromJson(row.registration) as NodeRegistration | null,
      formerRegistration: fromJson(row.former_registration) as FormerRegistration | null,
      role: row.role,
      hostname: row.hostname,
      address: row.address as Ipv4 | null,
    }),
  };
}

export function eventToRow(event: BootEvent): EventRow {
  return {
    at: event.at,
    mac: event.mac ?? null,
    session_id: event.sessionId ?? null,
    kind: event.kind,
    stage: event.stage ?? null,
    outcome: event.outcome,
    asked: event.asked,
    answered: event.answered,
    reasons: JSON.stringify(event.reasons),
    via: event.via ?? null,
  };
}

export function eventFromRow(row: EventRow): BootEvent {
  return {
    at: row.at,
    ...known({ mac: row.mac as Mac | null, sessionId: row.session_id }),
    kind: row.kind as EventKind,
    ...known({ stage: row.stage as Stage | null }),
    outcome: row.outcome as Outcome,
    asked: row.asked,
    answered: row.answered,
    reasons: JSON.parse(row.reasons) as string[],
    ...known({ via: row.via }),
  };
}

export function releaseFromRow(row: ReleaseRow): Release {
  return {
    begunAt: row.begun_at,
    address: row.address as Ipv4,
    ...known({ completedAt: row.completed_at }),
  };
}

export function certificateToRow(sessionId: number, certificate: GivenCertificate): CertificateRow {
  return {
    session_id: sessionId,
    name: certificate.name,
    key_fingerprint: certificate.keyFingerprint,
    serial: certificate.serial,
    subject: certificate.subject,
    given_at: certificate.givenAt,
    not_after: certificate.notAfter,
    address: certificate.address ?? null,
  };
}

export function certificateFromRow(row: CertificateRow): GivenCertificate {
  return {
    name: row.name as CertificateName,
    keyFingerprint: row.key_fingerprint,
    serial: row.serial,
    subject: row.subject,
    givenAt: row.given_at,
    notAfter: row.not_after,
    ...known({ address: row.address as Ipv4 | null }),
  };
}
