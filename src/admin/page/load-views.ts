import { readdirSync, readFileSync } from 'node:fs';
import Handlebars from 'handlebars';
import { VIEW_HELPERS } from './view-helpers.ts';

/** What every view finds in its context, beside what it asks for itself. */
export interface ViewContext {
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface Views {
  /** Throws if there is no such view, or if it uses something that the context does not hold. */
  render(name: string, context: ViewContext): string;
}

const COMPILE_OPTIONS: CompileOptions = {
  strict: true,
  knownHelpersOnly: true,
  knownHelpers: {
    ...Object.fromEntries([...Object.keys(VIEW_HELPERS), 'asset'].map((name) => [name, true])),
    // One writes to the daemon's console, the other gets round strict mode.
    log: false,
    lookup: false,
  },
};

const RENDER_OPTIONS: Handlebars.RuntimeOptions = {
  allowProtoMethodsByDefault: false,
  allowProtoPropertiesByDefault: false,
};

/**
 * The views of a folder, `x.hbs` as `x`, each compiled once and each a partial for the others. Values are escaped for
 * HTML; only helpers make markup. `assetUrl` is where a file of static/ is found.
 */
export function loadViews(folder: URL, assetUrl: (name: string) => string): Views {
  const environment = Handlebars.create();
  environment.registerHelper({ ...VIEW_HELPERS, asset: (name: string) => assetUrl(name) });
  const templates = new Map<string, Handlebars.TemplateDelegate<ViewContext>>();
  for (const file of readdirSync(folder).toSorted()) {
    if (!file.endsWith('.hbs')) continue;
    const name = file.slice(0, -'.hbs'.length);
    const template = environment.compile<ViewContext>(
      readFileSync(new URL(file, folder), 'utf8'),
      COMPILE_OPTIONS,
    );
    templates.set(name, template);
    environment.registerPartial(name, template);
  }
  return {
    render(name, context) {
      const template = templates.get(name);
      if (template === undefined) throw new Error(`there is no view ${name}`);
      return template(context, RENDER_OPTIONS);
    },
  };
}
