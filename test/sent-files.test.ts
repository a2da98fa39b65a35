import t from 'tap';
import { createSentFiles } from '../src/sent-files.ts';

const files = (kernel: string) => ({ kernel, initrd: [], cmdline: [] });

t.test('what a machine loads is known while ten thousand others ask for their turn', (t) => {
  const sent = createSentFiles();
  sent.remember(1, files('/assets/loading'));
  for (let round = 0; round < 3; round++)
    for (let session = 2; session < 10_000; session++) sent.remember(session, files('/assets/waiting'));
  t.equal(sent.of(1)?.kernel, '/assets/loading');
  t.end();
});

t.test('the oldest goes where there are too many', (t) => {
  const sent = createSentFiles(2);
  for (const session of [1, 2, 1, 3]) sent.remember(session, files(`/assets/${session}`));
  t.equal(sent.of(2), undefined);
  t.equal(sent.of(1)?.kernel, '/assets/1');
  sent.forget(1);
  t.equal(sent.of(1), undefined);
  sent.remember(4, files('/assets/4'));
  t.equal(sent.of(3)?.kernel, '/assets/3', 'what was forgotten leaves its place');
  sent.remember(5, files('/assets/5'));
  t.equal(sent.of(3), undefined);
  t.end();
});
