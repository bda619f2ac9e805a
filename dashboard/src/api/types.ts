/**
 * The API's shapes, as far as the dashboard reads or writes them. Those of answers come from `openapi.json`, which the server's
 * code writes; what is written by hand is the envelope around them and what the dashboard sends.
 */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Session = Schemas["Session"];
export type Edge = Schemas["Edge"];
export type Category = Schemas["Category"];
export type Phase = Schemas["Phase"];
export type ErrorRow = Schemas["ErrorRow"];
export type Failure = Schemas["ConnectionFailure"];
export type VpcService = Schemas["ServiceView"];
/** A binding of a deployed version: to a VPC Service, or to the network behind a tunnel. */
export type Reference = Schemas["Reference"];
export type Diagnosis = Schemas["DiagnosisView"];
export type DiagnosisPhase = Diagnosis["phases"][number];
export type Tunnel = Schemas["Tunnel"];
export type TunnelStatus = Tunnel["status"];
export type Connector = Schemas["Connector"];
export type Quantiles = Schemas["Quantiles"];
export type ConnectionMetrics = Schemas["ConnectionMetrics"];
export type InvocationMetrics = Schemas["InvocationMetrics"];
export type ConnectionEvent = Schemas["ConnectionEvent"];
export type Timings = Schemas["Timings"];
export type Invocation = Schemas["Invocation"];
export type Subrequest = Invocation["subrequests"][number];
export type Script = Schemas["Script"];
export type Binding = Schemas["Binding"];
export type WorkerSettings = Schemas["WorkerSettings"];
export type Version = Schemas["Version"];
export type Versions = Schemas["Versions"];
export type Deployment = Schemas["Deployment"];
export type Deployments = Schemas["Deployments"];
export type Route = Schemas["Route"];
export type Schedules = Schemas["SchedulesView"];
export type Subdomain = Schemas["SubdomainView"];
export type CustomDomain = Schemas["CustomDomain"];
export type ApiToken = Schemas["ApiToken"];
export type PermissionGroup = Schemas["PermissionGroup"];
export type AuditEntry = Schemas["AuditEntry"];

export const CATEGORIES = ["Bad Upstream", "Client", "Internal"] as const satisfies readonly Category[];
export const PHASES = ["route", "dns", "connect", "tls", "request", "head", "body"] as const satisfies readonly Phase[];

export type VerificationMode = NonNullable<VpcService["tls_settings"]>["cert_verification_mode"];

/** What a VPC Service is made of, as it is sent: what the server assigns is not there, and a port may be taken away. */
export type VpcServiceSpec = Omit<VpcService, "service_id" | "created_at" | "updated_at" | "http_port" | "https_port"> & {
  http_port?: number | null;
  https_port?: number | null;
};

/** A point of metrics of either kind, with these measures. */
export type Point<M> = M & { at: number };

/** One error of an answer. `pointer` is a JSON pointer to the field of the request that is wrong. */
export interface ApiErrorItem {
  code: number;
  message: string;
  source?: { pointer?: string };
}

export interface ResultInfo {
  count?: number;
  page?: number;
  per_page?: number;
  total_count?: number;
  total_pages?: number;
  /** Where the next page begins; empty at the end. */
  cursor?: string;
  /** Records of the range that overload left out. */
  lost?: number;
}

export interface Envelope<T> {
  success: boolean;
  errors?: ApiErrorItem[];
  messages?: { code: number; message: string }[];
  result: T;
  result_info?: ResultInfo;
}
