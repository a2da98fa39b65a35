import t from 'tap';
import { parseDefaultRoutes, surveyInterfaces } from '../../src/net/survey-interfaces.ts';

const ROUTES = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
vpn0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0
eth2\t00000000\t010200C0\t0002\t0\t0\t0\t00000000\t0\t0\t0
`;

t.test('the default route is the one to everywhere that is up', async (t) => {
  t.same([...parseDefaultRoutes(ROUTES)], ['eth0']);
  t.same([...parseDefaultRoutes('')], []);
});

t.test('the loopback is no interface to choose', async (t) => {
  t.notOk((await surveyInterfaces()).some(({ name }) => name === 'lo'));
});
