import t from 'tap';
import { resolveConfig } from '../../src/config/resolve.ts';
import { formatProblem } from '../../src/errors.ts';

const HEAD = 'network: { interface: eth0 }\n';
const resolve = (assets: string) =>
  resolveConfig({ file: 'f', content: `${HEAD}assets: ${assets}\n`, folder: '/', env: {} });

t.test('mirrors have a place, and a pull-through its bounds', async (t) => {
  const { config, problems } = resolve(
    `{ mirrors: [{ url: 'http://10.78.0.5/', relay: 10.78.0.1 }, { url: 'http://m:8080/tb', subnet: 10.79.0.0/24 }], pullThrough: { from: 'http://10.77.0.1/', maxBytes: 5GB, freshFor: 10m, fetches: 2 } }`,
  );
  t.same(problems, []);
  t.match(config?.assets, {
    mirrors: [
      { url: 'http://10.78.0.5', relay: 0x0a4e0001, line: 2 },
      { url: 'http://m:8080/tb', subnet: { prefix: 24 } },
    ],
    pullThrough: { from: 'http://10.77.0.1', maxBytes: 5e9, freshFor: 600, fetches: 2, line: 2 },
  });
  t.match(resolve(`{ pullThrough: { from: 'http://a' } }`).config?.assets, {
    mirrors: [],
    pullThrough: { maxBytes: 20e9, freshFor: 60, fetches: 4 },
  });
});

const WRONG: readonly (readonly [string, RegExp])[] = [
  ["{ mirrors: [{ url: 'http://a' }] }", /neither by relay nor by subnet/],
  ["{ mirrors: [{ url: 'ftp://a', relay: 10.0.0.1 }] }", /expected a URL such as/],
  ["{ mirrors: [{ url: 'http://a?x', relay: 10.0.0.1 }] }", /expected a URL such as/],
  ["{ mirrors: [{ url: 'http://user:secret@a', relay: 10.0.0.1 }] }", /expected a URL such as/],
  ["{ mirrors: [{ url: 'http://a b', relay: 10.0.0.1 }] }", /expected a URL such as/],
  ["{ mirrors: [{ url: 'http://${net0/ip}', relay: 10.0.0.1 }] }", /expected a URL such as/],
  ["{ mirrors: [{ url: 'http://a:99999', relay: 10.0.0.1 }] }", /is no URL/],
  [
    "{ mirrors: [{ url: 'http://a/assets/', relay: 10.0.0.1 }] }",
    /ends with \/assets.*\n.*Write http:\/\/a\./,
  ],
  ["{ mirrors: [{ url: 'http://a', subnet: 10.0.0.0/33 }] }", /expected an IPv4 network/],
  ["{ mirrors: [{ url: 'http://a', relay: 10.0.0.300 }] }", /expected an IPv4 address/],
  ["{ pullThrough: { from: 'http://a/assets' } }", /ends with \/assets/],
  ['{ pullThrough: { maxBytes: 5GB } }', /from/],
  ["{ pullThrough: { from: 'http://a', fetches: 0 } }", /fetches/],
];
for (const [assets, message] of WRONG) {
  t.test(`wrong: ${assets}`, async (t) => {
    const { config, problems } = resolve(assets);
    t.equal(config, undefined);
    t.match(problems.map(formatProblem).join('\n'), message);
  });
}

t.test('a mirror by https is warned of, since not every loader takes one', async (t) => {
  const { config, problems } = resolve("{ mirrors: [{ url: 'https://a', relay: 10.0.0.1 }] }");
  t.ok(config);
  t.match(problems, [{ severity: 'warning', message: /GRUB never/ }]);
});
