import { spawnSync } from 'node:child_process';
import t from 'tap';
import { escapeInstance, socketUnits } from '../src/socket-units.ts';

t.test('each interface gets a socket a port, bound to it', async (t) => {
  const { instances, files } = socketUnits(['eth1', 'br-lan'], { dhcp: true, tftp: 69, http: 8080 });
  t.strictSame(instances, [
    'tinderbox-dhcp@eth1.socket',
    'tinderbox-pxe@eth1.socket',
    'tinderbox-tftp@eth1.socket',
    'tinderbox-http@eth1.socket',
    'tinderbox-dhcp@br\\x2dlan.socket',
    'tinderbox-pxe@br\\x2dlan.socket',
    'tinderbox-tftp@br\\x2dlan.socket',
    'tinderbox-http@br\\x2dlan.socket',
  ]);
  t.strictSame(
    files.map(({ path }) => path),
    instances.map((instance) => `${instance}.d/device.conf`),
  );
  t.match(files[0]?.text, /^\[Socket\]\nListenDatagram=0\.0\.0\.0:67\nBindToDevice=eth1$/m);
  t.match(
    files[7]?.text,
    /^ListenStream=0\.0\.0\.0:8080\nBindToDevice=br-lan$/m,
    'the device as it is called',
  );
});

t.test('without DHCP its ports stay closed', async (t) => {
  const { instances } = socketUnits(['eth1'], { dhcp: false, tftp: 69, http: 80 });
  t.strictSame(instances, ['tinderbox-tftp@eth1.socket', 'tinderbox-http@eth1.socket']);
});

t.test('syslog has a socket where it is on', async (t) => {
  const { instances, files } = socketUnits(['eth1'], { dhcp: false, tftp: 69, http: 80, syslog: 514 });
  t.equal(instances.at(-1), 'tinderbox-syslog@eth1.socket');
  t.match(files.at(-1)?.text, /^ListenDatagram=0\.0\.0\.0:514\nBindToDevice=eth1$/m);
});

t.test('names are escaped as systemd-escape does', async (t) => {
  const names = ['eth0', 'br-lan', 'eth0.100', '.hidden', 'a@b', 'x+y', 'süd', 'vlan:1', 'a_b', '-x'];
  // After "--", or a name with a dash in front would be taken for an option.
  const { stdout } = spawnSync('systemd-escape', ['--', ...names], { encoding: 'utf8' });
  t.equal(names.map(escapeInstance).join(' '), stdout.trim());
});
