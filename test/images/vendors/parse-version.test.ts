import t from 'tap';
import {
  compareVersions,
  parseVersionField,
  parseVersionText,
  requireVersion,
} from '../../../src/images/vendors/parse-version.ts';

const PATTERN = /^\d+\.\d+\.\d+$/;

t.test('versions that would be paths, options or pages are none', async (t) => {
  for (const version of [
    '../../x',
    '4230.2.2/..',
    '-1',
    '',
    '4230.2.2\n',
    '4230.2.2?x',
    'current',
    '\u001b[2J',
  ]) {
    t.throws(
      () => requireVersion(version, PATTERN, '4230.2.2'),
      { code: 'not-found' },
      JSON.stringify(version),
    );
    const text = `FLATCAR_VERSION=${version}\nX=1\n`;
    t.equal(
      version === '4230.2.2\n' ||
        throwsRefused(() => parseVersionField(text, 'FLATCAR_VERSION', PATTERN, 'FROM')),
      true,
      text,
    );
    t.ok(version === '4230.2.2\n' || throwsRefused(() => parseVersionText(version, PATTERN, 'FROM')), text);
  }
  t.equal(requireVersion('4230.2.2', PATTERN, '4230.2.2'), '4230.2.2');
});

t.test('a field is the one line that begins with its name', async (t) => {
  const text =
    'FLATCAR_BUILD=4230\nFLATCAR_VERSION_ID=1.1.1\nFLATCAR_VERSION=4230.2.2\nFLATCAR_BUILD_ID="2025-08-04-1723"\n';
  t.equal(parseVersionField(text, 'FLATCAR_VERSION', PATTERN, 'FROM'), '4230.2.2');
  t.ok(
    throwsRefused(() =>
      parseVersionField(`${text}FLATCAR_VERSION=4230.2.2\n`, 'FLATCAR_VERSION', PATTERN, 'FROM'),
    ),
  );
  t.ok(throwsRefused(() => parseVersionField('', 'FLATCAR_VERSION', PATTERN, 'FROM')));
});

t.test('a text that is a version may end with a line', async (t) => {
  t.equal(parseVersionText('1.36.0\n', PATTERN, 'FROM'), '1.36.0');
});

t.test('newer versions come first, by their numbers', async (t) => {
  const sorted = ['24.04.10', '24.04', 'v24.04.2', '24.04.1'].sort(compareVersions);
  t.same(sorted, ['24.04.10', 'v24.04.2', '24.04.1', '24.04']);
  t.equal(compareVersions('1.0', '1'), 0);
});

function throwsRefused(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch (thrown) {
    return (thrown as { code?: string }).code === 'refused';
  }
}
