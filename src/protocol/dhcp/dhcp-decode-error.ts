import { TinderboxError } from '../../errors.ts';

/** The closed set of ways in which bytes are no DHCP message; short enough to be a counter's label. */
export const DHCP_DECODE_REASONS = ['too-short', 'bad-cookie', 'truncated-option', 'bad-overload'] as const;
export type DhcpDecodeReason = (typeof DHCP_DECODE_REASONS)[number];

/** All that decodeDhcpPacket ever throws. */
export class DhcpDecodeError extends TinderboxError {
  readonly reason: DhcpDecodeReason;

  constructor(reason: DhcpDecodeReason, message: string) {
    super('malformed-packet', message);
    this.name = 'DhcpDecodeError';
    this.reason = reason;
  }
}
