import type { ImageVendor } from '../vendor.ts';
import { debian } from './debian.ts';
import { etcd } from './etcd.ts';
import { fcos } from './fcos.ts';
import { flatcar } from './flatcar.ts';
import { kubernetes } from './kubernetes.ts';
import { talos } from './talos.ts';
import { ubuntu } from './ubuntu.ts';

/** In the order in which help and lists show them. */
export const IMAGE_VENDORS: readonly ImageVendor[] = [flatcar, fcos, debian, ubuntu, talos, kubernetes, etcd];
