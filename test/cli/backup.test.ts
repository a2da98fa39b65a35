import t from 'tap';
import { warnWithoutAuthorities } from '../../src/cli/backup.ts';
import type { Config } from '../../src/config/port.ts';

const CLUSTER = { apiServer: 'https://10.77.0.10:6443' } as unknown as NonNullable<Config['cluster']>;

t.test('a backup of a cluster that has no authorities yet says so', async (t) => {
  t.match(
    warnWithoutAuthorities({ cluster: CLUSTER }, ['session-key']),
    /^warning: no authority of the cluster/,
  );
  t.match(warnWithoutAuthorities({ cluster: CLUSTER }, []), /tinderbox ca show/);
});

t.test('one that holds them, or of a host without a cluster, needs no warning', async (t) => {
  t.equal(warnWithoutAuthorities({ cluster: CLUSTER }, ['session-key', 'pki/etcd.pem']), '');
  t.equal(warnWithoutAuthorities({}, ['session-key']), '');
});
