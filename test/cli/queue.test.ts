import t from 'tap';
import type { QueueView } from '../../src/admin/queue-api.ts';
import { formatQueue } from '../../src/cli/queue.ts';
import { TinderboxError } from '../../src/errors.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { startBeside } from '../support/cli-beside-admin.ts';
import { MAC, OTHER, QUEUE, T0 } from '../support/start-admin.ts';

t.test('who loads stands before who waits, in their order', (t) => {
  t.equal(
    formatQueue(QUEUE, T0 + 90_000),
    `1 of at most 1 load what is larger than 8.0 MiB; 2 wait
TURN   MAC                HOSTNAME  ADDRESS      WAITS  STILL
loads  ${MAC}  node-1    10.77.0.101  0s     -
1st    ${OTHER}  -         -            1m     about 20 s
2nd    -                  -         10.77.0.109  1m     -
`,
  );
  const many: QueueView = { ...QUEUE, counts: { loading: 1, waiting: 1_203 } };
  t.match(formatQueue(many, T0), /\nand 1201 more\n$/);
  const nobody = { ...QUEUE, counts: { loading: 0, waiting: 0 }, loading: [], waiting: [] };
  t.equal(formatQueue(nobody, T0), '0 of at most 1 load what is larger than 8.0 MiB; 0 wait\n');
  t.match(
    formatQueue({ ...nobody, downloads: 0 }, T0),
    /^Nobody waits: http\.queue\.downloads .* is off\.\n$/,
  );
  t.end();
});

t.test('the daemon is asked, and told who is to be the next', async (t) => {
  const moved: Mac[] = [];
  const site = await startBeside(t, {
    queue: {
      list: () => QUEUE,
      positionOf: () => undefined,
      async first(mac) {
        if (mac === MAC) throw new TinderboxError('not-found', `${mac} does not wait in the boot queue`);
        moved.push(mac);
        return QUEUE;
      },
    },
  });
  t.match(await site.run('queue'), { code: 0, stdout: /^1 of at most 1 load/ });
  t.same(JSON.parse((await site.run('queue', '--json')).stdout), QUEUE);
  t.same(await site.run('queue', 'first', OTHER), { code: 0, stdout: `${OTHER} is the next\n`, stderr: '' });
  t.same(JSON.parse((await site.run('queue', 'first', OTHER, '--json')).stdout), QUEUE);
  t.same(moved, [OTHER, OTHER]);
  t.match(await site.run('queue', 'first', MAC), { code: 1, stderr: /does not wait/ });
  t.match(await site.run('queue', 'first', 'nonsense'), { code: 2 });
});
