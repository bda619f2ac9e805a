/** What a failed call to a private service says about itself. */
export function describe(error) {
  const { code, category, phase, detail, retryable, service, timings } = error;
  return { caught: String(error), code, category, phase, detail, retryable, service, timings };
}
