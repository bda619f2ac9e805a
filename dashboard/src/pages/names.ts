/** What the API's sentences name, and where that is: for those that say who stands in the way. */

import { useServices, useWorkers } from "../api/queries";
import type { Named } from "../ui/words";

/** Workers and VPC Services but for the one that is spoken of, in the words in which the API names them. */
export function useNamed(itself?: string): Named[] {
  const workers = useWorkers();
  const services = useServices();
  return [
    ...(workers.data ?? []).map(({ id }) => ({ words: `Worker "${id}"`, href: `/workers/${encodeURIComponent(id)}/bindings` })),
    ...(services.data ?? []).map(({ name, service_id }) => ({ words: `VPC Service "${name}"`, href: `/services/${service_id}/settings` })),
  ].filter(({ words }) => words !== itself);
}
