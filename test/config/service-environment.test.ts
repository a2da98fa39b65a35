import t from 'tap';
import { takeServiceEnvironment } from '../../src/config/service-environment.ts';

t.test('what systemd says is read once, and no child inherits it', async (t) => {
  const env: Record<string, string | undefined> = {
    LISTEN_PID: '7',
    LISTEN_FDS: '2',
    LISTEN_FDNAMES: 'a:b',
    NOTIFY_SOCKET: '/run/systemd/notify',
    WATCHDOG_USEC: '60000000',
    WATCHDOG_PID: '7',
    JOURNAL_STREAM: '8:1234',
    PATH: '/usr/bin',
  };
  t.strictSame(takeServiceEnvironment(env, 7), {
    listen: { LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: 'a:b' },
    notifySocket: '/run/systemd/notify',
    watchdogTime: 60_000,
    journalStream: '8:1234',
  });
  t.strictSame(env, { JOURNAL_STREAM: '8:1234', PATH: '/usr/bin' });
});

t.test('what is not meant for this process, or makes no sense, is left out', async (t) => {
  const cases: readonly (readonly [Record<string, string>, string])[] = [
    [{ WATCHDOG_USEC: '1000', WATCHDOG_PID: '8' }, "another process's watchdog"],
    [{ WATCHDOG_USEC: '0' }, 'no time'],
    [{ WATCHDOG_USEC: 'soon' }, 'no number'],
    [{ NOTIFY_SOCKET: 'vsock:2:1' }, 'another family'],
    [{ NOTIFY_SOCKET: '' }, 'nothing'],
  ];
  for (const [env, what] of cases)
    t.match(
      takeServiceEnvironment({ ...env }, 7),
      { notifySocket: undefined, watchdogTime: undefined },
      what,
    );
});
