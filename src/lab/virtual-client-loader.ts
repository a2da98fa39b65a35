import { createHash } from 'node:crypto';
import { toTinderboxError } from '../errors.ts';
import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import { decodeTftpPacket, encodeTftpPacket, type TftpPacket } from '../protocol/tftp/packet.ts';
import { abortWith } from './abort-with.ts';
import { fetchCounted } from './virtual-client-http.ts';
import type { Reply } from './virtual-client-replies.ts';
import { type ClientRun, failStep, runStep, TFTP_PORT } from './virtual-client-run.ts';
import type { FetchedFile } from './virtual-client-types.ts';

/** Fetches the boot file as this firmware would; throws TinderboxError. */
export async function loadBootFile(run: ClientRun, boot: Reply): Promise<FetchedFile> {
  return run.machine.architecture.transport === 'http' ? loadOverHttp(run, boot) : loadOverTftp(run, boot);
}

/** UEFI HTTP boot: no redirect is followed, and a missing Content-Length stops it (code: HttpBootGetFileSize). */
async function loadOverHttp(run: ClientRun, boot: Reply): Promise<FetchedFile> {
  return runStep(run, 'http-loader', `GET ${boot.bootFile}`, async () => {
    if (!/^https?:\/\//.test(boot.bootFile)) {
      throw failStep(
        `HTTP boot wants a URL, and was given the name ${boot.bootFile}`,
        'see tinderbox check: which loader serves this architecture, and http.url',
      );
    }
    const file = await fetchCounted(run, boot.bootFile, 'UefiHttpBoot/1.0', {
      redirect: 'error',
      needsLength: true,
      by: 'firmware',
    });
    return { value: file, answered: `${file.bytes} bytes`, bytes: file.bytes };
  });
}

async function loadOverTftp(run: ClientRun, boot: Reply): Promise<FetchedFile> {
  const host = formatIpv4(boot.bootServer);
  const name = boot.bootFile;
  const uefi = run.machine.architecture.firmware === 'uefi';
  // EDK2 asks for blocks of 1468 bytes in windows of 4; BIOS ROMs for 1456 at most and know no windows.
  const options = uefi ? { blockSize: 1468, windowSize: 4 } : { blockSize: 1456 };
  const size = await runStep(
    run,
    'tftp-size',
    `RRQ ${name} from ${host}, tsize, stopped after its answer`,
    async () => {
      const probed = await probeTftpSize(run, boot.bootServer, name, options.blockSize);
      const answered = probed === undefined ? 'no size (the server ignores tsize)' : `${probed} bytes`;
      return { value: probed, answered, bytes: 0 };
    },
  );
  return runStep(run, 'tftp-read', `RRQ ${name} from ${host}`, async () => {
    const port = run.deps.ports?.tftp ?? TFTP_PORT;
    const timeout = run.options.timing.tftpTimeout;
    let bytes: Uint8Array;
    try {
      bytes = await run.deps.readFile(host, port, name, { ...options, timeout });
    } catch (thrown) {
      throw failStep(
        `${name} did not come over TFTP: ${toTinderboxError(thrown).message}`,
        'firewalls that pass port 69 may still drop the transfer, which has a port of its own',
        thrown,
      );
    }
    if (size !== undefined && size !== bytes.length) {
      throw failStep(
        `${name} has ${bytes.length} bytes, and its size was said to be ${size}`,
        'was the file replaced just now?',
      );
    }
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const file = { url: `tftp://${host}/${name}`, bytes: bytes.length, sha256 };
    return { value: file, answered: `${bytes.length} bytes`, bytes: bytes.length };
  });
}

/**
 * EDK2's first request: `tsize` 0, and an ERROR as soon as the size is there (seen). Undefined where the server sends
 * the file at once without an OACK. Throws TinderboxError on an ERROR or silence.
 */
export async function probeTftpSize(
  run: ClientRun,
  server: Ipv4,
  name: string,
  blockSize: number,
): Promise<number | undefined> {
  const socket = await run.deps.openSocket({ port: 0 });
  const host = formatIpv4(server);
  const port = run.deps.ports?.tftp ?? TFTP_PORT;
  using stop = abortWith(run.options.signal);
  const heard: { answer?: TftpPacket; error?: Error } = {};
  try {
    socket.on('error', (error) => {
      heard.error = error;
      stop.abort();
    });
    socket.on('message', (bytes, remote) => {
      if (heard.answer !== undefined || remote.address !== host) return;
      try {
        heard.answer = decodeTftpPacket(bytes);
      } catch {
        return;
      }
      const abort = encodeTftpPacket({ kind: 'error', code: 8, message: 'User aborted the transfer' });
      if (heard.answer.kind === 'error') stop.abort();
      else socket.send(abort, remote.port, remote.address, () => stop.abort());
    });
    const asked = new Map([
      ['tsize', '0'],
      ['blksize', String(blockSize)],
    ]);
    const request = encodeTftpPacket({ kind: 'read', name, mode: 'octet', options: asked });
    for (let attempt = 0; attempt < run.options.timing.tftpTries && !stop.signal.aborted; attempt++) {
      socket.send(request, port, host, (error) => {
        if (error === null) return;
        heard.error = error;
        stop.abort();
      });
      await run.deps.sleep(run.options.timing.tftpTimeout, stop.signal);
    }
    if (heard.error !== undefined) {
      throw failStep(
        `no way to ${host}: ${heard.error.message}`,
        `give this host an address on the network of ${host}: TFTP and HTTP go out from it`,
      );
    }
    return readProbe(heard.answer, name, host);
  } finally {
    socket.close(() => undefined);
  }
}

function readProbe(answer: TftpPacket | undefined, name: string, host: string): number | undefined {
  switch (answer?.kind) {
    case undefined:
      throw failStep(
        `no answer from ${host}:69`,
        'see that the daemon serves TFTP there and no firewall drops UDP 69',
      );
    case 'error':
      throw failStep(
        `${host} refused ${name}: error ${answer.code}, ${answer.message}`,
        'see tinderbox check: which file serves this architecture, and where it is looked for',
      );
    case 'options-ack': {
      const size = answer.options.get('tsize');
      return size === undefined ? undefined : Number(size);
    }
    case 'data':
      break;
    case 'read':
    case 'write':
    case 'ack':
      throw failStep(
        `${host} answered a read request with ${answer.kind}`,
        'what listens there is no TFTP server',
      );
  }
  return undefined;
}
