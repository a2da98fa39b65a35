/** A Redfish service in a namespace: `run-redfish.ts HOST KEY CERTIFICATE SYSTEM…`. Prints its URL, then each reset. */
import { readFileSync } from 'node:fs';
import { startRedfishServer } from '../../support/redfish-server.ts';

const [host = '', key = '', certificate = '', ...systems] = process.argv.slice(2);
const { url } = await startRedfishServer({
  host,
  key: readFileSync(key, 'utf8'),
  certificate: readFileSync(certificate, 'utf8'),
  systems,
  onReset: (system, type) => console.log(`${system} ${type}`),
});
console.log(url);
