import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { mock } from 'node:test';
import t from 'tap';
import { endWhenStalled } from '../../src/admin/end-when-stalled.ts';

t.test('an answer ends once its reader has taken nothing for so long, and no sooner', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] });
  t.teardown(() => mock.timers.reset());
  const socket = { bytesWritten: 100 };
  let ended = 0;
  const response = Object.assign(new EventEmitter(), {
    socket,
    destroyed: false,
    destroy: () => void ended++,
  });
  endWhenStalled(response as unknown as ServerResponse, 60_000);
  for (let minute = 0; minute < 600; minute++) {
    socket.bytesWritten += 1;
    mock.timers.tick(60_000);
  }
  t.equal(ended, 0, 'a slow reader has ten hours');
  mock.timers.tick(60_000);
  t.equal(ended, 1);
  response.emit('close');
  mock.timers.tick(600_000);
  t.equal(ended, 1, 'it is watched no longer');
});
