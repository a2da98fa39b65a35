/** Resolves when it holds; looked at again and again, until the test's own time is up. */
export async function until(holds: () => boolean | undefined): Promise<void> {
  while (holds() !== true) await new Promise((resolve) => setTimeout(resolve, 5));
}
