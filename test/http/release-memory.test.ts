import t from 'tap';
import { createReleaseMemory, type HeldRelease, RELEASE_TIME } from '../../src/http/release-memory.ts';
import { ip } from '../support/make-environment.ts';

function release(sessionId: number, more: Partial<HeldRelease> = {}): HeldRelease {
  return {
    sessionId,
    address: ip('10.77.0.20'),
    until: RELEASE_TIME,
    contentType: 'text/cloud-config',
    etag: '"x"',
    label: `that of session ${sessionId}`,
    body: Buffer.alloc(10),
    reached: 0,
    completed: false,
    ...more,
  };
}

t.test('what is held is bounded by number and by bytes, and who had to go is said', (t) => {
  const said: number[] = [];
  const crowdedOut = ({ sessionId }: HeldRelease): void => void said.push(sessionId);
  const memory = createReleaseMemory({ clock: () => 0, maxReleases: 3, maxBytes: 100, crowdedOut });
  t.teardown(() => memory.dropAll());
  for (const id of [1, 2, 3, 4]) memory.hold(release(id));
  t.same(said, [1], 'the oldest');
  memory.hold(release(5, { body: Buffer.alloc(85) }));
  t.same(said, [1, 2, 3]);
  t.equal(memory.find(3), undefined);
  t.ok(memory.find(4));
  memory.hold(release(6, { body: Buffer.alloc(1000) }));
  t.ok(memory.find(6), 'the newest stays, however large it is');
  t.same(said, [1, 2, 3, 4, 5]);
  memory.drop(6);
  memory.hold(release(7, { completed: true }));
  for (const id of [8, 9, 10, 11]) memory.hold(release(id));
  t.ok(memory.find(7), 'that one was sent is not forgotten before it is on disk');
  memory.hold(release(7));
  t.equal(memory.find(7)?.completed, false, 'the same again takes its place');
  t.end();
});

t.test('after its time it is gone', (t) => {
  let now = 0;
  const memory = createReleaseMemory({ clock: () => now, crowdedOut: () => undefined });
  memory.hold(release(1));
  now = RELEASE_TIME - 1;
  t.ok(memory.find(1));
  now = RELEASE_TIME;
  t.equal(memory.find(1), undefined);
  now = 0;
  t.equal(memory.find(1), undefined, 'also for a clock that is set back');
  t.end();
});
