import type { Mac } from '../machine/mac.ts';
import type { AdmissionBook, AdmissionRecord, Store } from './port.ts';

export interface AdmissionBookOptions {
  readonly store: Pick<Store, 'putAdmission' | 'dropAdmission'>;
  readonly admissions: readonly AdmissionRecord[];
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** A machine has one place: with a rule that newly matches it, it leaves that of the former one. */
export function createAdmissionBook({ store, admissions, clock }: AdmissionBookOptions): AdmissionBook {
  const places = new Map<Mac, AdmissionRecord>();
  const counts = new Map<string, number>();
  /** Places that are not on disk yet. */
  const writing = new Map<Mac, Promise<void>>();

  function setPlace(mac: Mac, record: AdmissionRecord | undefined): void {
    const before = places.get(mac);
    if (before !== undefined) addTo(before.rule, -1);
    if (record === undefined) places.delete(mac);
    else {
      places.set(mac, record);
      addTo(record.rule, 1);
    }
  }

  function addTo(rule: string, change: number): void {
    const count = (counts.get(rule) ?? 0) + change;
    if (count === 0) counts.delete(rule);
    else counts.set(rule, count);
  }

  async function write(record: AdmissionRecord, before: AdmissionRecord | undefined): Promise<void> {
    try {
      await store.putAdmission(record);
    } catch (error) {
      // Unless it was forgotten meanwhile.
      if (places.get(record.mac) === record) setPlace(record.mac, before);
      throw error;
    }
  }

  for (const record of admissions) setPlace(record.mac, record);
  return {
    ruleOf: (mac) => places.get(mac)?.rule,
    countOf: (rule) => counts.get(rule) ?? 0,
    take(mac, rule) {
      const before = places.get(mac);
      // Whoever asks twice boots no sooner for it.
      if (before?.rule === rule) return writing.get(mac) ?? Promise.resolve();
      const record = { mac, rule, at: clock() };
      setPlace(mac, record);
      const written = write(record, before).finally(() => {
        if (writing.get(mac) === written) writing.delete(mac);
      });
      writing.set(mac, written);
      return written;
    },
    async giveBack(mac) {
      const had = places.has(mac);
      setPlace(mac, undefined);
      // Also where memory has none: an earlier call may have failed to write it.
      await store.dropAdmission(mac);
      return had;
    },
  };
}
