import { generateKeyPair } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { createKeyMaker } from '../../src/pki/make-keys.ts';
import { openAuthorities } from '../../src/pki/open-authorities.ts';
import { createTurns } from '../../src/pki/take-turns.ts';
import { entitlement, makeFolder, makeRequest, open, silent } from './support/make-cluster.ts';

const generate = promisify(generateKeyPair);

/** Counts how often others get their turn, as packets would. */
function countTurns() {
  let turns = 0;
  let running = true;
  const next = (): void => {
    turns += 1;
    if (running) setImmediate(next);
  };
  setImmediate(next);
  return { turns: () => turns, stop: () => void (running = false) };
}

t.test('while a hundred certificates are made, others have their turn between any two of them', async (t) => {
  const folder = makeFolder(t);
  await open(folder);
  // On the thread pool as in life; small keys, so that the test is not about waiting.
  const keys = createKeyMaker({ generate: () => generate('rsa', { modulusLength: 1024 }) });
  const authorities = await openAuthorities({
    folder: join(folder, 'pki'),
    clock: Date.now,
    keys,
    logger: silent,
  });
  const others = countTurns();
  t.teardown(() => others.stop());
  const issued = await Promise.all(
    Array.from({ length: 100 }, () => authorities.issue(entitlement('node')).then(others.turns)),
  );
  t.equal(new Set(issued).size, 100, 'no two in one turn');
  const { pem } = makeRequest(folder);
  const signed = await Promise.all(
    Array.from({ length: 100 }, () => authorities.signRequest(pem, entitlement('node')).then(others.turns)),
  );
  t.equal(new Set(signed).size, 100);
});

t.test('too many that wait are sent away, and the rest have their turn', async (t) => {
  const turns = createTurns({ what: 'certificates', maxWaiting: 2 });
  const jobs = [1, 2, 3].map((number) => turns.run(async () => number));
  const [one, two, three] = await Promise.allSettled(jobs);
  t.match([one, two], [{ value: 1 }, { value: 2 }]);
  t.match(three, { status: 'rejected', reason: { code: 'busy', message: /2 certificates are waiting/ } });
  t.equal(await turns.run(async () => 4), 4);
  t.equal(turns.waiting, 0);
});

t.test('a job that fails keeps nobody from its turn', async (t) => {
  const turns = createTurns({ what: 'certificates', maxWaiting: 9 });
  const failing = turns.run(() => Promise.reject(new Error('the disk is full')));
  const next = turns.run(async () => 'done');
  await t.rejects(failing, { message: 'the disk is full' });
  t.equal(await next, 'done');
});
