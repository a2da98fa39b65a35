import type { TemplateContext } from './context.ts';
import { shapeOf } from './mold-context.ts';
import { fillMold, fits, type Mold } from './mold-template.ts';

/** The molds of one template. */
export interface MoldMemory {
  /** By a mold that fits; else by `render`, whose text a new mold must come to as well before it is kept. */
  render(
    context: TemplateContext,
    by: { readonly render: () => string; readonly makeMold: () => Mold | undefined },
  ): { readonly text: string; readonly mold?: Mold };
}

interface Molds {
  /** The newest first. */
  readonly list: Mold[];
  /** Molds made or tried, and texts that came from one. */
  made: number;
  used: number;
}

/** Shapes of contexts that are remembered: roles have a few; what a machine says of itself (its labels) makes more. */
const SHAPES = 32;
/** Of one shape. */
const MOLDS = 8;
/** A mold takes some renderings to make: after so many that were hardly used, no more are made. */
const TRIES = 16;
const USES = 4;

export function createMoldMemory(): MoldMemory {
  /** The oldest first. */
  const shapes = new Map<string, Molds>();

  function moldsFor(shape: string): { readonly molds: Molds; readonly isNew: boolean } {
    const known = shapes.get(shape);
    if (known !== undefined) return { molds: known, isNew: false };
    const molds: Molds = { list: [], made: 0, used: 0 };
    shapes.set(shape, molds);
    const [oldest] = shapes.keys();
    if (shapes.size > SHAPES && oldest !== undefined) shapes.delete(oldest);
    return { molds, isNew: true };
  }

  return {
    render(context, { render, makeMold }) {
      const { molds, isNew } = moldsFor(shapeOf(context));
      for (const mold of molds.list) {
        const text = fill(mold, context);
        if (text === undefined) continue;
        molds.used++;
        return { text, mold };
      }
      const text = render();
      // What comes once is not worth a mold.
      if (isNew || (molds.made >= TRIES && molds.used < molds.made * USES)) return { text };
      molds.made++;
      const mold = makeMold();
      if (mold === undefined || fill(mold, context) !== text) return { text };
      molds.list.unshift(mold);
      molds.list.splice(MOLDS);
      return { text, mold };
    },
  };
}

/** What goes wrong goes wrong in Handlebars as well, which says where. */
function fill(mold: Mold, context: TemplateContext): string | undefined {
  try {
    return fits(mold, context) ? fillMold(mold, context) : undefined;
  } catch {
    return undefined;
  }
}
