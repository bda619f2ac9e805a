/** Creating a VPC Service. */

import { useLocation } from "wouter";
import { fetchResult } from "../api/client";
import { useAccount, useRefresh } from "../api/queries";
import type { VpcService, VpcServiceSpec } from "../api/types";
import { EMPTY_DRAFT } from "../model/service";
import { useAddress } from "../ui/address";
import { PageHead, Panel } from "../ui/page";
import { tell } from "../ui/toasts";
import { ServiceForm } from "./service-form";

export default function NewService() {
  const account = useAccount();
  const refresh = useRefresh();
  const [params] = useAddress();
  const [, navigate] = useLocation();
  const create = async (spec: VpcServiceSpec) => {
    const made = await fetchResult<VpcService>(account("/connectivity/directory/services"), { method: "POST", body: spec });
    await refresh("services");
    tell(`Created ${made.name}.`);
    navigate(`/services/${made.service_id}/used-by`);
  };
  return (
    <>
      <PageHead title="Create a VPC Service" crumb={{ href: "/services", label: "VPC Services" }} />
      <Panel>
        <ServiceForm initial={{ ...EMPTY_DRAFT, tunnel: params.get("tunnel") ?? "" }} action="Create" onSubmit={create} onCancel={() => navigate("/services")} />
      </Panel>
    </>
  );
}
