import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

/**
 * GRUB (2.06, 2.12) takes `Content-Length: ` in this spelling alone, although names of headers have no case (RFC 9110
 * section 5.1), and Fastify writes them in lower case. Without a length GRUB waits half a minute for more, and the file
 * is of no use to it (seen).
 */
export function spellLength(response: ServerResponse): void {
  const writeHead = response.writeHead.bind(response);
  response.writeHead = (status: number, ...rest: readonly unknown[]) => {
    const headers = (typeof rest[0] === 'string' ? rest[1] : rest[0]) as OutgoingHttpHeaders | undefined;
    const reason = typeof rest[0] === 'string' ? [rest[0]] : [];
    const { 'content-length': length, ...others } = headers ?? {};
    const spelled = length === undefined ? headers : { ...others, 'Content-Length': length };
    return writeHead(status, ...(reason as [string]), spelled);
  };
}
