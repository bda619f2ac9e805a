/** Where a service is, in a column of a table: as much of it as there is room for, all of it on hover. */

import type { VpcServiceSpec } from "../api/types";
import { hostText } from "../model/service";

export function HostName({ service }: { service: VpcServiceSpec }) {
  const text = hostText(service);
  return <code className="host-name" title={text}>{text}</code>;
}
