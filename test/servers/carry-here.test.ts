import { defaults } from './support/tftp-harness.ts';

// All that a TFTP server promises holds where there is no thread for its transfers, too.
defaults.carrier = 'main';
await import('./tftp.test.ts');
