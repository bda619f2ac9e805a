/**
 * The API's shapes, as far as the dashboard reads or writes them. Written by hand after `API.md` and the crate `control`;
 * to be generated from `/client/v4/openapi.json` once the server has it.
 */

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

export interface Session {
  token_id: string;
  name: string;
  permissions: string[];
  account: { id: string; name: string };
  expires_at: string;
  version: string;
}

export const CATEGORIES = ["Bad Upstream", "Client", "Internal"] as const;
export type Category = (typeof CATEGORIES)[number];
export const PHASES = ["route", "dns", "connect", "tls", "request", "head", "body"] as const;
export type Phase = (typeof PHASES)[number];

/** A row of the reference of connection errors. */
export interface ErrorRow {
  code: string;
  category: Category;
  phases: Phase[];
  meaning: string;
  fix: string;
  status: number;
}

export interface NetworkHost {
  ipv4?: string;
  ipv6?: string;
  network?: { tunnel_id: string };
  hostname?: string;
  resolver_network?: { tunnel_id: string; resolver_ips?: string[] };
}

export type VerificationMode = "verify_full" | "verify_ca" | "disabled";

/** What a VPC Service is made of; the same in requests and answers. */
export interface VpcServiceSpec {
  name: string;
  type: "http" | "tcp";
  host: NetworkHost;
  http_port?: number | null;
  https_port?: number | null;
  tcp_port?: number;
  app_protocol?: "postgresql" | "mysql";
  tls_settings?: {
    cert_verification_mode?: VerificationMode;
    certificate_authority?: string;
    client_certificate?: string;
  };
  timeouts?: { dns_ms?: number; connect_ms?: number; tls_ms?: number; read_ms?: number; write_ms?: number };
  limits?: { connections?: number; connections_per_second?: number };
  breaker?: { failures?: number; trial_ms?: number };
  policy?: { methods?: string[]; path_prefixes?: string[] };
}

export interface VpcService extends VpcServiceSpec {
  service_id: string;
  created_at: string;
  updated_at: string;
}

export interface ServiceReference {
  worker: string;
  binding: string;
  version_id: string;
  percentage: number;
}

export interface Diagnosis {
  service_id: string;
  started_at: number;
  duration: number;
  ok: boolean;
  request: { scheme: string; host: string; path: string };
  phases: DiagnosisPhase[];
  error?: Failure;
  connectors: { connector: string; version: string; ok: boolean; error?: Failure | null }[];
}

export interface DiagnosisPhase {
  phase: Phase;
  state: "ok" | "failed" | "skipped";
  duration?: number;
  detail?: string;
  facts?: Record<string, unknown>;
}

export interface Failure {
  code: string;
  category: Category;
  phase: Phase;
  detail: string;
  retryable: boolean;
}

export interface Quantiles {
  count: number;
  p50: number;
  p90: number;
  p99: number;
}

export interface ConnectionMeasures {
  count: number;
  failed: number;
  last?: number;
  dns?: Quantiles;
  connect?: Quantiles;
  tls?: Quantiles;
  first_byte?: Quantiles;
}

export interface InvocationMeasures {
  count: number;
  failed: number;
  subrequests: number;
  last?: number;
  cpu?: Quantiles;
  wall?: Quantiles;
  memory?: Quantiles;
}

export interface MetricKey {
  service?: string;
  service_name?: string;
  tunnel?: string;
  connector?: string | null;
  worker?: string;
  category?: Category | null;
  code?: string | null;
  version?: string;
  outcome?: string;
}

export type Point<M> = M & { at: number };
export type Group<M> = M & { key: MetricKey; points?: Point<M>[] };

export interface Metrics<M> {
  since: number;
  until: number;
  step: number | null;
  groups: Group<M>[];
}

export type ConnectionMetrics = Metrics<ConnectionMeasures>;
export type InvocationMetrics = Metrics<InvocationMeasures>;

export interface Timings {
  dns?: number;
  connect?: number;
  tls?: number;
  request?: number;
  head?: number;
}

export interface ConnectionEvent extends Partial<Failure> {
  id: string;
  timestamp: number;
  serviceId: string;
  serviceName: string;
  tunnelId: string;
  connectorId?: string;
  worker: string;
  invocationId: string;
  rayId: string;
  address?: string;
  reused: boolean;
  status?: number;
  timings: Timings;
}

export interface ConsoleLine {
  timestamp: number;
  level: "debug" | "error" | "info" | "log" | "warn";
  message: unknown[];
}

export interface ExceptionRecord {
  timestamp: number;
  name: string;
  message: string;
  stack?: string;
  connection?: Failure & { timings?: Timings; service?: string };
}

export interface Subrequest {
  target: string;
  method: string;
  url: string;
  startedMs: number;
  durationMs: number;
  status?: number;
  error?: string;
}

export interface Invocation {
  id: string;
  rayId: string;
  outcome: string;
  scriptName: string;
  scriptVersion: { id: string };
  eventType: string;
  eventTimestamp: number;
  event: {
    request?: { method: string; url: string; headers: Record<string, string> };
    response?: { status: number };
    cron?: string;
  };
  logs: ConsoleLine[];
  exceptions: ExceptionRecord[];
  subrequests: Subrequest[];
  wallTime: number;
  cpuTime: number;
  memory: number;
  truncated: boolean;
}

export type TunnelStatus = "inactive" | "degraded" | "healthy" | "down";

export interface TunnelConnection {
  id: string;
  client_id: string;
  client_version: string;
  colo_name: string;
  origin_ip: string;
  opened_at: string;
  is_pending_reconnect: boolean;
  protocol?: string;
  rtt?: number;
  flows?: number;
}

export interface Tunnel {
  id: string;
  name: string;
  status: TunnelStatus;
  created_at: string;
  conns_active_at: string | null;
  connections: TunnelConnection[];
  token?: string;
}

export interface Connector {
  id: string;
  version: string;
  arch: string;
  features?: string[];
  run_at: string | null;
  warnings?: string[];
  conns: TunnelConnection[];
}

export interface Edge {
  version: string;
  visitors: string;
  api: string;
  tunnel: string;
  tunnel_ca: string | null;
}

export interface Script {
  id: string;
  created_on: string;
  modified_on: string;
  url?: string;
  handlers?: string[];
  last_deployed_from?: string;
  compatibility_date?: string | null;
  compatibility_flags?: string[];
  tags?: string[];
}

export interface Binding {
  name: string;
  type: string;
  text?: string;
  json?: unknown;
  service_id?: string;
  tunnel_id?: string;
  network_id?: string;
  service?: string;
  entrypoint?: string;
}

export interface WorkerLimits {
  cpu_ms?: number;
  subrequests?: number;
}

export interface WorkerSettings {
  bindings: Binding[];
  limits?: WorkerLimits;
  compatibility_date?: string;
  compatibility_flags?: string[];
  observability?: { enabled?: boolean; head_sampling_rate?: number } | null;
  tags?: string[];
}

export interface Version {
  id: string;
  number: number;
  metadata: { created_on: string; source: string; author_email?: string; author_id?: string };
  annotations?: Record<string, string>;
  startup_time_ms?: number;
  resources: {
    script: { etag?: string; handlers?: string[] };
    script_runtime: { compatibility_date?: string; compatibility_flags?: string[]; limits?: WorkerLimits };
    bindings: Binding[];
  };
}

export interface Deployment {
  id: string;
  created_on: string;
  source: string;
  author_email?: string;
  annotations?: Record<string, string>;
  versions: { version_id: string; percentage: number }[];
}

export interface Route {
  id: string;
  pattern: string;
  zone_name?: string | null;
}

export interface Schedule {
  cron: string;
  created_on: string;
}

export interface CustomDomain {
  id: string;
  hostname: string;
  service: string;
}

export interface ApiToken {
  id: string;
  name: string;
  status: "active" | "expired" | "disabled";
  permissions: string[];
  issued_on: string;
  expires_on: string | null;
  last_used_on: string | null;
  revoked_on: string | null;
  value?: string;
}

export interface PermissionGroup {
  id: string;
  name: string;
}

export interface AuditEntry {
  id: string;
  when: string;
  actor: { name: string; token_id?: string; address?: string };
  action: string;
  resource: { type: string; id: string };
  before: unknown;
  after: unknown;
}
