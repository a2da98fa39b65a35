import type * as Koffi from 'koffi';

/** The kernel's routing tables. Each throws an Error whose `code` is the errno's name. */
export interface NetlinkCalls {
  /** The descriptor belongs to the caller. */
  readonly openRouteDescriptor: () => number;
  /** Sends one request and waits for its answer, which is there when the request was taken. */
  readonly askKernel: (fd: number, request: Uint8Array) => Uint8Array;
}

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_ROUTE = 0;
const ANSWER_SIZE = 4096;

export function bindNetlinkCalls(
  library: Koffi.LibraryHandle,
  check: (call: string, result: number) => number,
): NetlinkCalls {
  const socket = library.func('int socket(int domain, int type, int protocol)');
  const send = library.func('long send(int fd, const void *bytes, size_t size, int flags)');
  const recv = library.func('long recv(int fd, void *bytes, size_t size, int flags)');
  return {
    openRouteDescriptor: () => check('socket', socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE)),
    askKernel(fd, request) {
      check('send', Number(send(fd, request, request.length, 0)));
      const answer = Buffer.alloc(ANSWER_SIZE);
      return answer.subarray(0, check('recv', Number(recv(fd, answer, answer.length, 0))));
    },
  };
}
