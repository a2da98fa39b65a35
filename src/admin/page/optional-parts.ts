import type { FastifyRequest } from 'fastify';
import type { Mac } from '../../machine/mac.ts';
import type { Page } from '../../store/port.ts';
import type { AuditListView } from '../audit-api.ts';
import type { AdminServerOptions } from '../port.ts';

/** What a machine said on its console, or by syslog. */
export interface ConsoleLines {
  /** Oldest first. */
  readonly lines: readonly {
    readonly at: number;
    readonly severity?: string | undefined;
    readonly text: string;
  }[];
}

/** Parts that a daemon may be without: the pages leave out what belongs to them. */
export interface OptionalParts {
  readonly console?: (mac: Mac) => ConsoleLines | undefined | Promise<ConsoleLines | undefined>;
  readonly capture?: (mac: Mac) => Uint8Array | undefined;
  readonly power?: (mac: Mac, action: 'on' | 'off' | 'cycle') => Promise<unknown>;
  readonly audit?: { list(page: Page): Promise<AuditListView> };
}

export function optionalParts(options: AdminServerOptions): OptionalParts {
  return options as OptionalParts;
}

/** What a form of a page shows beside the cookie. */
export function formToken(_request: FastifyRequest): string {
  return '';
}
