import t from 'tap';
import type { SenderAnswer } from '../../src/net/file-sender-messages.ts';
import { errnoError, loadLibc } from '../../src/net/libc.ts';
import { createSendLoop } from '../../src/net/send-loop.ts';

const ENOSPC = 28;

t.test('a socket that cannot be watched fails its own transfer, and no other', (t) => {
  const answers: SenderAnswer[] = [];
  const watched: number[] = [];
  const loop = createSendLoop({
    libc: {
      ...loadLibc(),
      watch(_epoll, change, fd) {
        // fs.epoll.max_user_watches is the user's, all programs together.
        if (change === 'add' && fd === 11) throw errnoError('epoll_ctl', ENOSPC);
        watched.push(fd);
      },
      waitFor: (_epoll, _milliseconds, happened) => happened(1, false),
      sendFile: (_socket, _file, _at, bytes) => bytes,
    },
    epoll: 3,
    waker: 4,
    answer: (message) => void answers.push(message),
    now: () => 0,
  });
  const order = {
    kind: 'send',
    file: 5,
    way: 'as-it-is',
    start: 0,
    end: 9,
    allowed: 9,
    aliveEvery: 20,
  } as const;
  loop.take({ ...order, id: 1, socket: 10 });
  loop.take({ ...order, id: 2, socket: 11 });
  t.same(answers, [
    { kind: 'ended', id: 2, sent: { bytes: 0, kind: 'failed', reason: 'epoll_ctl: ENOSPC' } },
  ]);
  loop.turn();
  t.match(answers[1], { kind: 'ended', id: 1, sent: { bytes: 9, kind: 'complete' } });
  t.notOk(loop.isBusy());
  t.same(watched, [4, 10, 10], 'and what was not watched is not taken away');
  t.end();
});
