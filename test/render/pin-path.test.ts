import t from 'tap';
import { pinPath } from '../../src/render/pin-path.ts';

const context = {
  mirrors: ['http://10.77.0.10:8080/tb'],
  server: { address: '10.77.0.1', url: 'http://10.77.0.1', syslogPort: 0 },
  pinned: new Map([
    ['/assets/fcos/kernel', '/assets/fcos/42.1/kernel'],
    ['/assets/fcos/rootfs.img', '/assets/fcos/42.1/rootfs.img'],
    ['/assets/fcos/current', '/assets/fcos/42.1'],
    ['/assets/tools/bin', '/assets/tools/v1/bin'],
  ]),
};

t.test('links of current versions become what they stand for, wherever they are named', async (t) => {
  const rows: [string, string][] = [
    ['/assets/fcos/kernel', '/assets/fcos/42.1/kernel'],
    ['/assets/fcos/kernel?x=1', '/assets/fcos/42.1/kernel?x=1'],
    ['/assets/fcos/current/kernel', '/assets/fcos/42.1/kernel'],
    ['/assets/tools/bin/kubelet', '/assets/tools/v1/bin/kubelet'],
    ['http://10.77.0.1/assets/fcos/kernel', 'http://10.77.0.1/assets/fcos/42.1/kernel'],
    [
      'root=live:http://10.77.0.1/assets/fcos/rootfs.img',
      'root=live:http://10.77.0.1/assets/fcos/42.1/rootfs.img',
    ],
    [
      'a=http://10.77.0.1/assets/fcos/kernel,http://10.77.0.1/assets/fcos/rootfs.img',
      'a=http://10.77.0.1/assets/fcos/42.1/kernel,http://10.77.0.1/assets/fcos/42.1/rootfs.img',
    ],
    ['/assets/fcos/42.0/kernel', '/assets/fcos/42.0/kernel'],
    ['/assets/fcos/kernel-old', '/assets/fcos/kernel-old'],
    ['/assets/other/kernel', '/assets/other/kernel'],
    ['http://elsewhere/assets/fcos/kernel', 'http://elsewhere/assets/fcos/kernel'],
    [
      'root=live:http://10.77.0.10:8080/tb/assets/fcos/rootfs.img',
      'root=live:http://10.77.0.10:8080/tb/assets/fcos/42.1/rootfs.img',
    ],
    ['quiet', 'quiet'],
    ['', ''],
  ];
  for (const [text, pinned] of rows) t.equal(pinPath(text, context), pinned, text);
  t.equal(
    pinPath('/assets/fcos/kernel', { server: context.server }),
    '/assets/fcos/kernel',
    'nothing is known',
  );
});
