/** Proxies for what this host fetches; '' where there is none. */
export interface ProxySettings {
  readonly http: string;
  readonly https: string;
  /** Hosts that are asked directly, as curl reads them: `localhost,.example.org`. */
  readonly none: string;
}

/** As curl and wget have them. The lower-case names win, as there. */
export function readProxyEnvironment(
  env: Readonly<Record<string, string | undefined>> = process.env,
): ProxySettings {
  const one = (name: string): string => env[name] ?? env[name.toUpperCase()] ?? '';
  return { http: one('http_proxy'), https: one('https_proxy'), none: one('no_proxy') };
}
