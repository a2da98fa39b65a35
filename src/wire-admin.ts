export async function startAdminOn(_wiring: unknown): Promise<{ stop(): Promise<void> }> {
  return { stop: () => Promise.resolve() };
}
