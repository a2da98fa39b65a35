/** What bin/tinderbox starts Node with, for parts of the daemon that a bench runs by themselves. */
export const DAEMON_FLAGS: readonly string[] = ['--max-semi-space-size=4', '--v8-pool-size=1'];
