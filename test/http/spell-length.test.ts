import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import t from 'tap';
import { spellLength } from '../../src/http/spell-length.ts';

/** What is on the wire: every client of Node's makes names lower case. */
async function rawHead(headers: Record<string, string | number>, reason?: string): Promise<string> {
  const server = createServer((_request, response) => {
    spellLength(response);
    if (reason === undefined) response.writeHead(200, headers);
    else response.writeHead(200, reason, headers);
    response.end('four');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.end('GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  server.close();
  return text;
}

t.test('a length goes out as GRUB spells it, once, and the rest is as it was', async (t) => {
  for (const reason of [undefined, 'Fine']) {
    const head = await rawHead({ 'content-length': 4, etag: '"x"' }, reason);
    t.match(head, `HTTP/1.1 200 ${reason ?? 'OK'}\r\n`);
    t.equal(head.match(/content-length: /gi)?.length, 1);
    t.match(head, '\r\nContent-Length: 4\r\n');
    t.match(head, '\r\netag: "x"\r\n');
  }
});

t.test('where no length is told, none is made up', async (t) => {
  t.notMatch(await rawHead({ etag: '"x"', 'transfer-encoding': 'chunked' }), /content-length/i);
});
