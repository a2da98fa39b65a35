import t from 'tap';
import { startBeside } from '../support/cli-beside-admin.ts';

t.test('it prints the token, the one for metrics, or both', async (t) => {
  const site = await startBeside(t);
  const { token } = site;
  t.same(await site.run('token'), { code: 0, stdout: `${token.show()}\n`, stderr: '' });
  t.same(await site.run('token', '--metrics'), {
    code: 0,
    stdout: `${token.showForMetrics()}\n`,
    stderr: '',
  });
  t.same(JSON.parse((await site.run('token', '--json')).stdout), {
    token: token.show(),
    metricsToken: token.showForMetrics(),
  });
  t.same(site.records, [], 'who looks changes nothing');
});

t.test('another token replaces both, is printed, and its maker is in the audit trail', async (t) => {
  const site = await startBeside(t);
  const former = [site.token.show(), site.token.showForMetrics()];
  const { code, stdout } = await site.run('token', '--renew');
  t.equal(code, 0);
  t.equal(stdout, `${site.token.show()}\n`);
  const metrics = (await site.run('token', '--metrics')).stdout.trim();
  for (const [one, other] of [
    [former[0], stdout.trim()],
    [former[1], metrics],
  ]) {
    t.not(one, other);
  }
  t.match(site.records, [
    { action: 'token-renew', actor: { name: 'alice', via: 'socket' }, outcome: 'done' },
  ]);
  t.notMatch(JSON.stringify(site.records) + site.log(), stdout.trim(), 'it is in no record');
});

t.test('what cannot be shown ends with a reason', async (t) => {
  const site = await startBeside(t);
  t.match(await site.run('token', '--metrics', '--json'), { code: 2, stdout: '', stderr: /prints both/ });
  t.match(await site.run('token', 'now'), { code: 2, stdout: '' });
  await site.server.stop({ graceMs: 0 });
  t.match(await site.run('token'), {
    code: 1,
    stdout: '',
    stderr: /^tinderbox: tinderbox is not running\n {4}Start it: /,
  });
});
