import t from 'tap';
import { parseReleaseIndex, parseStream } from '../../../src/images/vendors/parse-stream.ts';

const VERSION = '44.20260607.3.1';
const FOLDER = `https://builds.coreos.fedoraproject.org/prod/streams/stable/builds/${VERSION}/x86_64`;

const artifact = (name: string) => ({
  location: `${FOLDER}/${name}`,
  signature: `${FOLDER}/${name}.sig`,
  sha256: 'a',
});
const pxe = {
  kernel: artifact(`fedora-coreos-${VERSION}-live-kernel.x86_64`),
  initramfs: artifact(`fedora-coreos-${VERSION}-live-initramfs.x86_64.img`),
  rootfs: artifact(`fedora-coreos-${VERSION}-live-rootfs.x86_64.img`),
};
const streamOf = (changed: object, version: unknown = VERSION, stream = 'stable') =>
  JSON.stringify({
    stream,
    metadata: {},
    architectures: {
      x86_64: { artifacts: { metal: { release: version, formats: { pxe: { ...pxe, ...changed } } } } },
    },
  });

t.test('a stream and a release name the same files', async (t) => {
  const names = {
    kernel: `fedora-coreos-${VERSION}-live-kernel.x86_64`,
    initramfs: `fedora-coreos-${VERSION}-live-initramfs.x86_64.img`,
    rootfs: `fedora-coreos-${VERSION}-live-rootfs.x86_64.img`,
  };
  t.same(parseStream(streamOf({}), 'stable', 'x86_64', 'S'), { version: VERSION, names });
  const release = JSON.stringify({
    release: VERSION,
    stream: 'stable',
    architectures: { x86_64: { media: { metal: { artifacts: { pxe } } } } },
  });
  t.same(parseStream(release, 'stable', 'x86_64', 'S'), { version: VERSION, names });
});

t.test('whatever host a location has, only its name is taken', async (t) => {
  const location = pxe.kernel.location.replace('builds.coreos.fedoraproject.org', '169.254.169.254');
  t.equal(
    parseStream(streamOf({ kernel: { location } }), 'stable', 'x86_64', 'S').names.kernel,
    `fedora-coreos-${VERSION}-live-kernel.x86_64`,
  );
});

t.test('what is no stream, of another one or leads elsewhere is refused', async (t) => {
  const bad = [
    ['no JSON', '<html>'],
    ['null', 'null'],
    ['another stream', streamOf({}, VERSION, 'next')],
    ['another processor alone', streamOf({}).replace('x86_64":{"artifacts', 's390x":{"artifacts')],
    ['a version that is a path', streamOf({}, '../../x')],
    ['a version that is a number', streamOf({}, 44)],
    ['another version in the location', streamOf({}, '44.20260523.3.0')],
    ['no kernel', streamOf({ kernel: undefined })],
    ['a location that is no URL', streamOf({ kernel: { location: 'kernel' } })],
    ['a location that leads out', streamOf({ kernel: { location: `${FOLDER}/../../../../x` } })],
    ['a location that leads out, escaped', streamOf({ kernel: { location: `${FOLDER}/%2e%2e%2fx` } })],
    ['a location that leads down', streamOf({ kernel: { location: `${FOLDER}/a/b` } })],
    ['names of prototypes', '{"stream":"stable","architectures":{"__proto__":{"x86_64":{}}}}'],
  ] as const;
  for (const [what, text] of bad) {
    t.throws(() => parseStream(text, 'stable', 'x86_64', 'S'), { code: 'refused', message: /^S: / }, what);
  }
});

t.test('versions of an index are those that look like one', async (t) => {
  const index = JSON.stringify({
    releases: [{ version: '44.20260523.3.0' }, { version: '../x' }, {}, { version: VERSION }],
  });
  t.same(parseReleaseIndex(index, 'R'), ['44.20260523.3.0', VERSION]);
  t.throws(() => parseReleaseIndex('{}', 'R'), { code: 'refused' });
});
