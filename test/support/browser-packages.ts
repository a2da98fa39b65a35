/** The Debian packages that a test with a browser needs; fonts, or every text is a row of boxes. */
export const BROWSER_PACKAGES = ['chromium', 'fonts-dejavu-core'] as const;
