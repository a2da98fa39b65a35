import t from 'tap';
import { createNamespace } from '../../src/lab/namespace.ts';

const namespace = await createNamespace('addresses');
t.teardown(() => namespace[Symbol.asyncDispose]());
const source = new URL('../../src/net/borrow-addresses.ts', import.meta.url).href;
const routes = 'execFileSync("ip", ["route", "show", "table", "local", "proto", "116"]).toString()';

/** A namespace is entered by a process. Prints JSON. */
async function inside(body: string, wrap: readonly string[] = []): Promise<unknown> {
  const script = `import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { borrowAddresses } from ${JSON.stringify(source)};
const routes = () => ${routes}.trim();
const address = (text) => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
${body}`;
  const argv = ['env', '-u', 'NODE_OPTIONS', process.execPath, '--input-type=module', '-e', script];
  return JSON.parse(await namespace.run([...wrap, ...argv])) as unknown;
}

t.test('a borrowed address can be bound, and is gone when it is given back', async (t) => {
  const seen = await inside(`
    const addresses = borrowAddresses();
    addresses.borrow(address('10.77.3.4'));
    addresses.borrow(address('10.77.3.4'));
    addresses.borrow(address('10.77.3.5'));
    const during = routes();
    const socket = createSocket('udp4');
    socket.bind(0, '10.77.3.4', () => {
      socket.close();
      addresses.giveBack();
      console.log(JSON.stringify([during, routes()]));
    });`);
  t.match(seen, [/^local 10\.77\.3\.4 dev lo scope host\s+local 10\.77\.3\.5 dev lo scope host$/, '']);
});

t.test('an address that the host has stays its own', async (t) => {
  const seen = await inside(`
    execFileSync('ip', ['address', 'add', '10.77.9.9/32', 'dev', 'lo']);
    const addresses = borrowAddresses();
    addresses.borrow(address('10.77.9.9'));
    addresses.giveBack();
    console.log(JSON.stringify(execFileSync('ip', ['route', 'show', 'table', 'local', '10.77.9.9']).toString().trim()));`);
  t.match(seen, /^local 10\.77\.9\.9 dev lo proto kernel/);
});

t.test('who may not change routes is told so, with what to do', async (t) => {
  const body = `
    try {
      borrowAddresses().borrow(address('10.77.3.4'));
    } catch (error) {
      console.log(JSON.stringify([error.code, error.message, error.remedy]));
    }`;
  const seen = await inside(body, ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin']);
  t.match(seen, [
    'refused',
    /10\.77\.3\.4 cannot be made .*may not change its routes/,
    /CAP_NET_ADMIN.*sudo/,
  ]);
});
