import { execFileSync } from 'node:child_process';
import t from 'tap';
import { makeSigningRequest } from '../../src/lab/make-signing-request.ts';
import { readRequest } from '../../src/pki/read-request.ts';

t.test('openssl takes it for a request without a name whose sender has the key', async (t) => {
  const pem = await makeSigningRequest();
  const said = execFileSync('openssl', ['req', '-verify', '-noout', '-text'], {
    input: pem,
    stdio: ['pipe', 'pipe', 'pipe'],
  }).toString();
  t.match(said, /Subject:\s*$/m);
  t.match(said, 'ASN1 OID: prime256v1');
});

t.test('the server reads it, and each is of another key', async (t) => {
  const [one, other] = await Promise.all([makeSigningRequest(), makeSigningRequest()]);
  const request = await readRequest(one);
  t.same([request.subject, request.dns, request.extensions], [[], [], []]);
  t.not(one, other);
});
