import t from 'tap';
import {
  judgeClock,
  judgeDescriptors,
  judgeExpiry,
  judgeSpace,
  judgeUnit,
} from '../../src/boot/judge-host.ts';

const NOW = Date.UTC(2026, 5, 1);
const DAY = 24 * 3_600_000;
const MB = 1_000_000;

t.test('room on a disk', async (t) => {
  const rows: readonly (readonly [number, number | undefined, string])[] = [
    [20_000 * MB, 1000, 'ok'],
    [20_000 * MB, undefined, 'ok'],
    [300 * MB, 1000, 'warning'],
    [30 * MB, 1000, 'problem'],
    [0, 0, 'problem'],
    [20_000 * MB, 3, 'problem'],
  ];
  for (const [free, freeInodes, state] of rows) {
    const inodes = freeInodes === undefined ? {} : { freeInodes };
    const space = { what: 'the state folder', folder: '/var', free, total: 50_000 * MB, ...inodes };
    t.match(judgeSpace(space), { state }, `${free} ${freeInodes}`);
  }
});

t.test('a clock', async (t) => {
  const sound = { now: NOW, synchronised: true, written: [], authorities: [] };
  const rows: readonly (readonly [string, Partial<Parameters<typeof judgeClock>[0]>, object[]])[] = [
    ['right', {}, [{ state: 'ok', text: 'it is 2026-06-01 00:00:00 UTC, synchronised' }]],
    ['nobody says', { synchronised: undefined } as never, [{ state: 'ok' }]],
    ['nothing keeps it', { synchronised: false }, [{ state: 'warning' }]],
    ['of 1970', { now: 1000 }, [{ state: 'problem', text: /1970/ }]],
    ['of 2106', { now: Date.UTC(2106, 1, 1) }, [{ state: 'problem' }]],
    [
      'before the authorities',
      { authorities: [{ name: 'etcd', notBefore: NOW + DAY }] },
      [{ state: 'problem', text: /before the etcd authority begins \(2026-06-02\)/ }],
    ],
    ['after them', { authorities: [{ name: 'etcd', notBefore: NOW - DAY }] }, [{ state: 'ok' }]],
    [
      'gone back',
      { written: [{ file: '/a', at: NOW + DAY }] },
      [{ state: 'warning', text: /\/a was written later/ }],
    ],
  ];
  for (const [name, change, expected] of rows) t.match(judgeClock({ ...sound, ...change }), expected, name);
});

t.test('certificates, descriptors', async (t) => {
  t.match(judgeExpiry('it', NOW - 1, NOW), { state: 'problem', text: /expired on 2026-05-31/ });
  t.match(judgeExpiry('it', NOW + DAY, NOW), { state: 'warning', text: /good until 2026-06-02/ });
  t.match(judgeExpiry('it', NOW + 90 * DAY, NOW), { state: 'ok' });
  t.match(judgeDescriptors(50, 16384), { state: 'ok', text: /50 of 16384/ });
  t.match(judgeDescriptors(undefined, 16384), { state: 'ok' });
  t.match(judgeDescriptors(50, 1024), { state: 'warning', remedy: /LimitNOFILE/ });
  t.match(judgeDescriptors(16000, 16384), { state: 'problem' });
  t.match(judgeDescriptors(undefined, undefined), { state: 'skipped' });
});

t.test('the service', async (t) => {
  const rows: readonly (readonly [string, Record<string, string>, boolean, string])[] = [
    ['none', {}, false, 'skipped'],
    ['not installed', { LoadState: 'not-found' }, false, 'skipped'],
    ['masked', { LoadState: 'masked' }, false, 'warning'],
    ['running', { ActiveState: 'active', SubState: 'running', UnitFileState: 'enabled' }, true, 'ok'],
    [
      'not enabled',
      { ActiveState: 'active', SubState: 'running', UnitFileState: 'disabled' },
      true,
      'warning',
    ],
    ['failed', { ActiveState: 'failed', Result: 'exit-code', ExecMainStatus: '78' }, false, 'problem'],
    ['again and again', { ActiveState: 'activating', SubState: 'auto-restart' }, false, 'problem'],
    ['stopped', { ActiveState: 'inactive', SubState: 'dead' }, false, 'warning'],
    ['run by hand', { ActiveState: 'inactive', SubState: 'dead' }, true, 'ok'],
  ];
  for (const [name, properties, isRunning, state] of rows) {
    const all = name === 'none' ? {} : { LoadState: 'loaded', ...properties };
    t.match(judgeUnit(new Map(Object.entries(all)), isRunning), { state }, name);
  }
});
