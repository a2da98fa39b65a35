import type { CustomKinds } from './check-manifest.ts';

/** Kinds of add-ons that Kubernetes does not bring, by `<apiVersion>/<kind>`, with the fields of their `spec`. */
export const CUSTOM_KINDS: CustomKinds = {};
