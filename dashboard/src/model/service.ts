/** VPC Services: their words, the draft that a form edits, and the way between a draft and the API's object. */

import type { ApiErrorItem, VpcService, VpcServiceSpec, VerificationMode } from "../api/types";

export function tunnelOf(service: VpcServiceSpec): string | undefined {
  return service.host.network?.tunnel_id ?? service.host.resolver_network?.tunnel_id;
}

/** `10.0.0.5, fd00::1` or `inventory.internal`. */
export function hostText(service: VpcServiceSpec): string {
  return service.host.hostname ?? [service.host.ipv4, service.host.ipv6].filter(Boolean).join(", ");
}

/** The ports for which a scheme is enabled; giving only one of them leaves only that scheme. */
export function httpPorts(service: VpcServiceSpec): { http: number | null; https: number | null } {
  const http = service.http_port ?? null;
  const https = service.https_port ?? null;
  return http === null && https === null ? { http: 80, https: 443 } : { http, https };
}

const PROTOCOLS = { postgresql: "PostgreSQL", mysql: "MySQL" };

/** `HTTP 8080, HTTPS 8443`, `TCP 9000` or `PostgreSQL 5432`. */
export function portsText(service: VpcServiceSpec): string {
  if (service.type === "tcp") {
    return `${service.app_protocol ? PROTOCOLS[service.app_protocol] : "TCP"} ${service.tcp_port ?? "?"}`;
  }
  const { http, https } = httpPorts(service);
  return [http === null ? "" : `HTTP ${http}`, https === null ? "" : `HTTPS ${https}`].filter(Boolean).join(", ");
}

/** What the form holds: text as it was typed. */
export interface ServiceDraft {
  name: string;
  type: "http" | "tcp";
  tunnel: string;
  hostKind: "address" | "hostname";
  ipv4: string;
  ipv6: string;
  hostname: string;
  resolver: "tunnel" | "custom";
  resolverIps: string;
  ports: "default" | "custom";
  httpPort: string;
  httpsPort: string;
  tcpPort: string;
  appProtocol: "" | "postgresql" | "mysql";
  verification: VerificationMode;
  certificateAuthority: string;
  clientCertificate: string;
  dnsMs: string;
  connectMs: string;
  tlsMs: string;
  readMs: string;
  writeMs: string;
  idleMs: string;
  connections: string;
  connectionsPerSecond: string;
  breaker: "on" | "off";
  breakerFailures: string;
  breakerTrialMs: string;
  methods: string;
  pathPrefixes: string;
  trustedRoots: string;
}

export type DraftField = keyof ServiceDraft;
export type FieldErrors = Partial<Record<DraftField, string>>;

export const EMPTY_DRAFT: ServiceDraft = {
  name: "", type: "http", tunnel: "", hostKind: "address", ipv4: "", ipv6: "", hostname: "", resolver: "tunnel", resolverIps: "",
  ports: "default", httpPort: "", httpsPort: "", tcpPort: "", appProtocol: "", verification: "verify_full", certificateAuthority: "",
  clientCertificate: "", dnsMs: "", connectMs: "", tlsMs: "", readMs: "", writeMs: "", idleMs: "", connections: "",
  connectionsPerSecond: "", breaker: "on", breakerFailures: "", breakerTrialMs: "", methods: "", pathPrefixes: "", trustedRoots: "",
};

const text = (value: number | null | undefined) => (value === null || value === undefined ? "" : String(value));

export function draftOf(service: VpcService): ServiceDraft {
  const { host, tls_settings: tls, policy } = service;
  const { http, https } = httpPorts(service);
  const resolvers = host.resolver_network?.resolver_ips ?? [];
  return {
    name: service.name,
    type: service.type,
    tunnel: tunnelOf(service) ?? "",
    hostKind: host.hostname === undefined ? "address" : "hostname",
    ipv4: host.ipv4 ?? "",
    ipv6: host.ipv6 ?? "",
    hostname: host.hostname ?? "",
    resolver: resolvers.length > 0 ? "custom" : "tunnel",
    resolverIps: resolvers.join(", "),
    ports: http === 80 && https === 443 ? "default" : "custom",
    httpPort: text(http),
    httpsPort: text(https),
    tcpPort: text(service.tcp_port),
    appProtocol: service.app_protocol ?? "",
    verification: tls?.cert_verification_mode ?? "verify_full",
    certificateAuthority: tls?.certificate_authority ?? "",
    clientCertificate: tls?.client_certificate ?? "",
    dnsMs: text(policy?.dns_timeout_ms),
    connectMs: text(policy?.connect_timeout_ms),
    tlsMs: text(policy?.tls_timeout_ms),
    readMs: text(policy?.read_timeout_ms),
    writeMs: text(policy?.write_timeout_ms),
    idleMs: text(policy?.idle_timeout_ms),
    connections: text(policy?.max_connections),
    connectionsPerSecond: text(policy?.max_new_connections_per_second),
    breaker: policy?.breaker?.enabled === false ? "off" : "on",
    breakerFailures: text(policy?.breaker?.failures),
    breakerTrialMs: text(policy?.breaker?.trial_every_ms),
    methods: (policy?.allowed_methods ?? []).join(", "),
    pathPrefixes: (policy?.allowed_path_prefixes ?? []).join(", "),
    trustedRoots: (policy?.trusted_roots ?? []).join(", "),
  };
}

function list(value: string): string[] {
  return value.split(/[\s,]+/).filter((item) => item !== "");
}

const IPV4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

export function isIpv4(value: string): boolean {
  return IPV4.test(value);
}

export function isIpv6(value: string): boolean {
  if (!/^[0-9a-fA-F:.]+$/.test(value) || !value.includes(":")) return false;
  try {
    new URL(`http://[${value}]/`);
    return true;
  } catch {
    return false;
  }
}

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** The rules that a host name breaks, as words that go after "it". */
function hostnameFaults(value: string): string[] {
  const bare = value.replace(/\.$/, "");
  const faults: string[] = [];
  if (bare.length > 253) faults.push("is longer than 253 characters");
  if (/\s/.test(value)) faults.push("contains white space");
  if (value.includes("://")) faults.push("has a scheme");
  else if (value.includes("/")) faults.push("has a path");
  if (isIpv4(value) || isIpv6(value.replace(/^\[|\]$/g, ""))) faults.push("is an IP address; choose IP address above");
  else if (/:\d+$/.test(value)) faults.push("has a port; give the port below");
  if (faults.length === 0 && !bare.split(".").every((label) => /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/i.test(label))) {
    faults.push("is not a host name: its labels have 1 to 63 letters, digits and dashes each");
  }
  return faults;
}

/** An hour, in milliseconds. */
const LONGEST_TIMEOUT = 3_600_000;

interface Reading {
  errors: FieldErrors;
  number: (field: DraftField, most: number, what: string) => number | undefined;
}

function reading(draft: ServiceDraft): Reading {
  const errors: FieldErrors = {};
  return {
    errors,
    number(field, most, what) {
      const value = draft[field].trim();
      if (value === "") return undefined;
      const number = /^\d+$/.test(value) ? Number(value) : NaN;
      if (number >= 1 && number <= most) return number;
      errors[field] = `${what} must be a whole number from 1 to ${most.toLocaleString("en")}.`;
      return undefined;
    },
  };
}

/** What of a group is given; nothing when nothing is. */
function some<T extends object>(value: T): Partial<T> | undefined {
  const given = Object.entries(value).filter(([, item]) => item !== undefined);
  return given.length > 0 ? (Object.fromEntries(given) as Partial<T>) : undefined;
}

/** Reads a draft: the object to send, or what is wrong with which field. The server checks everything again. */
export function readDraft(draft: ServiceDraft): { spec?: VpcServiceSpec; errors: FieldErrors } {
  const { errors, number } = reading(draft);
  const name = draft.name.trim();
  if (name === "") errors.name = "Give the service a name.";
  if (draft.tunnel === "") errors.tunnel = "Choose the tunnel into the service's network.";

  let host: VpcServiceSpec["host"];
  if (draft.hostKind === "address") {
    const ipv4 = draft.ipv4.trim();
    const ipv6 = draft.ipv6.trim();
    if (ipv4 === "" && ipv6 === "") errors.ipv4 = "Give an IPv4 address, an IPv6 address, or both.";
    if (ipv4 !== "" && !isIpv4(ipv4)) errors.ipv4 = `Invalid IPv4 address: '${ipv4}'. Provide a valid IPv4 address (e.g., '192.168.1.1').`;
    if (ipv6 !== "" && !isIpv6(ipv6)) errors.ipv6 = `Invalid IPv6 address: '${ipv6}'. Provide a valid IPv6 address (e.g., '2001:db8::1').`;
    host = { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }), network: { tunnel_id: draft.tunnel } };
  } else {
    const hostname = draft.hostname.trim();
    if (hostname === "") errors.hostname = "Hostname cannot be empty.";
    else {
      const faults = hostnameFaults(hostname);
      if (faults.length > 0) errors.hostname = `Invalid hostname '${hostname}': it ${faults.join(", it ")}.`;
    }
    const resolvers = draft.resolver === "custom" ? list(draft.resolverIps) : [];
    if (draft.resolver === "custom") {
      const bad = resolvers.filter((item) => !isIpv4(item) && !isIpv6(item));
      if (resolvers.length === 0) errors.resolverIps = "Give the address of a resolver, or use the connector's own.";
      else if (bad.length > 0) errors.resolverIps = `Invalid resolver IP address(es): ${bad.join(", ")}`;
    }
    host = { hostname, resolver_network: { tunnel_id: draft.tunnel, ...(resolvers.length > 0 && { resolver_ips: resolvers }) } };
  }

  const spec: VpcServiceSpec = { name, type: draft.type, host };
  if (draft.type === "http") {
    if (draft.ports === "custom") {
      const http = number("httpPort", 65_535, "The HTTP port");
      const https = number("httpsPort", 65_535, "The HTTPS port");
      if (http === undefined && https === undefined && !errors.httpPort && !errors.httpsPort) {
        errors.httpPort = "Give a port, or use the default ports.";
      }
      if (http !== undefined) spec.http_port = http;
      if (https !== undefined) spec.https_port = https;
    }
  } else {
    const port = number("tcpPort", 65_535, "The TCP port");
    if (port !== undefined) spec.tcp_port = port;
    else errors.tcpPort ??= "A TCP service needs a port.";
    if (draft.appProtocol !== "") spec.app_protocol = draft.appProtocol;
  }

  const authority = draft.certificateAuthority.trim();
  const certificate = draft.clientCertificate.trim();
  if (authority !== "" && !UUID.test(authority)) errors.certificateAuthority = "This must be the UUID of an uploaded certificate authority.";
  if (certificate !== "" && !UUID.test(certificate)) errors.clientCertificate = "This must be the UUID of an uploaded client certificate.";
  if (authority !== "" && draft.verification === "disabled") {
    errors.certificateAuthority = "Verification is disabled: a certificate authority would not be used.";
  }
  if (draft.verification !== "verify_full" || authority !== "" || certificate !== "") {
    spec.tls_settings = {
      cert_verification_mode: draft.verification,
      ...(authority && { certificate_authority: authority }),
      ...(certificate && { client_certificate: certificate }),
    };
  }

  const methods = list(draft.methods).map((method) => method.toUpperCase());
  const prefixes = list(draft.pathPrefixes);
  const roots = list(draft.trustedRoots);
  const badPrefix = prefixes.find((prefix) => !prefix.startsWith("/"));
  if (badPrefix !== undefined) errors.pathPrefixes = `A path prefix begins with a slash: '${badPrefix}' does not.`;
  const badMethod = methods.find((method) => !/^[A-Z!#$%&'*+.^_`|~0-9-]+$/.test(method));
  if (badMethod !== undefined) errors.methods = `'${badMethod}' is not an HTTP method.`;
  const badRoot = roots.find((root) => !UUID.test(root));
  if (badRoot !== undefined) errors.trustedRoots = `'${badRoot}' is not the UUID of an uploaded certificate authority.`;
  const breaker = draft.breaker === "off" ? { enabled: false } : some({
    failures: number("breakerFailures", 1_000, "The number of failures"),
    trial_every_ms: number("breakerTrialMs", LONGEST_TIMEOUT, "The time between trials"),
  });
  const policy = some({
    dns_timeout_ms: number("dnsMs", LONGEST_TIMEOUT, "The DNS timeout"),
    connect_timeout_ms: number("connectMs", LONGEST_TIMEOUT, "The connect timeout"),
    tls_timeout_ms: number("tlsMs", LONGEST_TIMEOUT, "The TLS timeout"),
    read_timeout_ms: number("readMs", LONGEST_TIMEOUT, "The read timeout"),
    write_timeout_ms: number("writeMs", LONGEST_TIMEOUT, "The write timeout"),
    idle_timeout_ms: number("idleMs", LONGEST_TIMEOUT, "The idle timeout"),
    max_connections: number("connections", 65_536, "The limit of concurrent connections"),
    max_new_connections_per_second: number("connectionsPerSecond", 1_000_000, "The rate limit"),
    breaker,
    allowed_methods: methods.length > 0 ? methods : undefined,
    allowed_path_prefixes: prefixes.length > 0 ? prefixes : undefined,
    trusted_roots: roots.length > 0 ? roots : undefined,
  });
  if (policy) spec.policy = policy;

  return Object.keys(errors).length > 0 ? { errors } : { spec, errors };
}

const POINTERS: readonly [RegExp, DraftField][] = [
  [/^\/name/, "name"],
  [/^\/type/, "type"],
  [/^\/host\/(network|resolver_network)(\/tunnel_id)?$/, "tunnel"],
  [/^\/host\/ipv4/, "ipv4"],
  [/^\/host\/ipv6/, "ipv6"],
  [/^\/host\/hostname/, "hostname"],
  [/^\/host\/resolver_network\/resolver_ips/, "resolverIps"],
  [/^\/http_port/, "httpPort"],
  [/^\/https_port/, "httpsPort"],
  [/^\/tcp_port/, "tcpPort"],
  [/^\/app_protocol/, "appProtocol"],
  [/^\/tls_settings\/cert_verification_mode/, "verification"],
  [/^\/tls_settings\/certificate_authority/, "certificateAuthority"],
  [/^\/tls_settings\/client_certificate/, "clientCertificate"],
  [/^\/policy\/dns_timeout_ms/, "dnsMs"],
  [/^\/policy\/connect_timeout_ms/, "connectMs"],
  [/^\/policy\/tls_timeout_ms/, "tlsMs"],
  [/^\/policy\/read_timeout_ms/, "readMs"],
  [/^\/policy\/write_timeout_ms/, "writeMs"],
  [/^\/policy\/idle_timeout_ms/, "idleMs"],
  [/^\/policy\/max_connections/, "connections"],
  [/^\/policy\/max_new_connections_per_second/, "connectionsPerSecond"],
  [/^\/policy\/breaker\/trial_every_ms/, "breakerTrialMs"],
  [/^\/policy\/breaker/, "breakerFailures"],
  [/^\/policy\/allowed_path_prefixes/, "pathPrefixes"],
  [/^\/policy\/allowed_methods/, "methods"],
  [/^\/policy\/trusted_roots/, "trustedRoots"],
];

/** Puts the server's errors at the fields that they point to; the rest belongs to the form as a whole. */
export function placeErrors(items: readonly ApiErrorItem[]): { fields: FieldErrors; rest: string[] } {
  const fields: FieldErrors = {};
  const rest: string[] = [];
  for (const item of items) {
    const pointer = item.source?.pointer;
    const field = pointer === undefined ? undefined : POINTERS.find(([pattern]) => pattern.test(pointer))?.[1];
    if (field === undefined) rest.push(item.message);
    else fields[field] = fields[field] === undefined ? item.message : `${fields[field]} ${item.message}`;
  }
  return { fields, rest };
}
