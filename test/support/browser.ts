import { mkdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import type { Test } from 'tap';
import { ensureDebianPackages } from '../../src/lab/debian-packages.ts';
import { BROWSER_PACKAGES } from './browser-packages.ts';

/** What a page may load and run, as the admin plane says it. */
export const CONTENT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

export interface WatchedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors on the console (a violated policy is one), uncaught ones, and requests to another origin. */
  readonly complaints: readonly string[];
  /** Written to .cache/screenshots, for people to look at. */
  readonly shoot: (name: string) => Promise<string>;
}

export interface PageSettings {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  readonly phone?: boolean;
  readonly javaScript?: boolean;
}

const TIMEOUT = 30_000;

/** Debian's Chromium, without a window; ends with the test. */
export async function startBrowser(t: Test): Promise<Browser> {
  await ensureDebianPackages(BROWSER_PACKAGES, { log: (line) => t.comment(line) });
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    // As root there is no sandbox; /dev/shm is small in containers.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
  t.teardown(() => browser.close());
  return browser;
}

/** A page that remembers what went wrong in it. `origin` is the only place that it may ask. */
export async function openPage(
  browser: Browser,
  origin: string,
  { width = 1280, height = 800, dark = false, phone = false, javaScript = true }: PageSettings = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({
    baseURL: origin,
    viewport: phone ? { width: 360, height: 740 } : { width, height },
    ...(phone ? { isMobile: true, hasTouch: true, deviceScaleFactor: 2 } : {}),
    colorScheme: dark ? 'dark' : 'light',
    javaScriptEnabled: javaScript,
    reducedMotion: 'reduce',
    locale: 'en-GB',
    timezoneId: 'UTC',
  });
  context.setDefaultTimeout(TIMEOUT);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/`)) complaints.push(`a request left: ${request.url()}`);
  });
  return {
    page,
    context,
    complaints,
    shoot: async (name) => {
      const folder = join(import.meta.dirname, '../../.cache/screenshots');
      mkdirSync(folder, { recursive: true });
      const path = join(folder, `${name}.png`);
      await page.screenshot({ path });
      return path;
    },
  };
}

/** Whether a page is wider than its window: a phone would have to be moved sideways. */
export function overflows(page: Page): Promise<boolean> {
  return page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth');
}

/** A TCP address for a unix socket, since browsers know none of those. Closed with the test. */
export async function bridgeToSocket(
  t: Test,
  path: string,
): Promise<{ readonly origin: string; readonly cut: () => void }> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(path);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from.on('error', () => to.destroy());
      from.once('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  t.teardown(async () => {
    cut();
    await new Promise((resolve) => server.close(resolve));
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut };
}
