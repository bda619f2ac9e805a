/** What the pages read, with how often it is read again. One hook a call; keys begin with what is read. */

import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient, type InfiniteData, type UseQueryResult } from "@tanstack/react-query";
import { createContext, useContext, useEffect } from "react";
import { MOST_PAGES } from "../model/pages";
import { readRange, type Range } from "../model/time";
import { ApiFailure, call, fetchAll, fetchResult, type Answer, type QueryValue } from "./client";
import type {
  ApiToken, AuditEntry, ConnectionEvent, ConnectionMetrics, Connector, CustomDomain, Deployments, Edge, ErrorRow, Invocation,
  InvocationMetrics, PermissionGroup, Reference, Route, Schedules, Script, Session, Subdomain, Tunnel, Versions, VpcService, WorkerSettings,
} from "./types";

/** How often what changes by itself is read again, in milliseconds. */
const LIVE = 2_000;
const LIST = 10_000;

/** How often to read again, unless the server has no such call: asking more often will not help then. */
function every(interval: number | false) {
  return (query: { state: { error: Error | null } }) => (query.state.error instanceof ApiFailure && query.state.error.isUnknownCall ? false : interval);
}

/** The same for a list: one that is read page by page is read again the less often, the more of them there are. */
function everyPage(interval: number | false) {
  const again = every(interval);
  return (query: { state: { error: Error | null; data: { pages: unknown[] } | undefined } }) => {
    const whole = again(query);
    return whole === false ? false : whole * Math.max(1, query.state.data?.pages.length ?? 1);
  };
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error("only where somebody is signed in");
  return session;
}

/** Paths below the account. */
export function useAccount(): (path: string) => string {
  const session = useSession();
  return (path) => `/accounts/${encodeURIComponent(session.account.id)}${path}`;
}

/** Marks what was read as stale, after a change. */
export function useRefresh(): (...heads: string[]) => Promise<void> {
  const client = useQueryClient();
  return async (...heads) => {
    await Promise.all(heads.map((head) => client.invalidateQueries({ queryKey: [head] })));
  };
}

export function useServices() {
  const account = useAccount();
  return useQuery({ queryKey: ["services"], refetchInterval: LIST, queryFn: ({ signal }) => fetchAll<VpcService>(account("/connectivity/directory/services"), { signal }) });
}

export function useService(id: string) {
  const account = useAccount();
  return useQuery({ queryKey: ["services", id], refetchInterval: LIST, queryFn: ({ signal }) => fetchResult<VpcService>(account(`/connectivity/directory/services/${encodeURIComponent(id)}`), { signal }) });
}

export function useServiceReferences(id: string) {
  const account = useAccount();
  return useQuery({ queryKey: ["references", id], refetchInterval: LIST, queryFn: ({ signal }) => fetchResult<Reference[]>(account(`/connectivity/directory/services/${encodeURIComponent(id)}/references`), { signal }) });
}

export function useTunnels() {
  const account = useAccount();
  return useQuery({ queryKey: ["tunnels"], refetchInterval: LIST / 2, queryFn: ({ signal }) => fetchAll<Tunnel>(account("/cfd_tunnel"), { signal, query: { is_deleted: false } }) });
}

export function useTunnel(id: string) {
  const account = useAccount();
  return useQuery({ queryKey: ["tunnels", id], refetchInterval: LIVE, queryFn: ({ signal }) => fetchResult<Tunnel>(account(`/cfd_tunnel/${encodeURIComponent(id)}`), { signal }) });
}

export function useConnectors(id: string) {
  const account = useAccount();
  return useQuery({ queryKey: ["tunnels", id, "connectors"], refetchInterval: LIVE, queryFn: ({ signal }) => fetchResult<Connector[]>(account(`/cfd_tunnel/${encodeURIComponent(id)}/connectors`), { signal }) });
}

/** Workers that are bound to the whole network behind a tunnel. */
export function useTunnelReferences(id: string) {
  const account = useAccount();
  return useQuery({ queryKey: ["tunnel-references", id], refetchInterval: LIST, queryFn: ({ signal }) => fetchResult<Reference[]>(account(`/cfd_tunnel/${encodeURIComponent(id)}/references`), { signal }) });
}

export function useTunnelToken(id: string, wanted: boolean) {
  const account = useAccount();
  return useQuery({ queryKey: ["tunnel-token", id], enabled: wanted, gcTime: 0, queryFn: ({ signal }) => fetchResult<string>(account(`/cfd_tunnel/${encodeURIComponent(id)}/token`), { signal }) });
}

export function useEdge() {
  const account = useAccount();
  return useQuery({ queryKey: ["edge"], staleTime: Infinity, queryFn: ({ signal }) => fetchResult<Edge>(account("/edge"), { signal }) });
}

export function useErrorRows() {
  return useQuery({ queryKey: ["connection-errors"], staleTime: Infinity, queryFn: ({ signal }) => fetchResult<ErrorRow[]>("/connection-errors", { signal }) });
}

/** Which facts are wanted; the same names as in the API. */
export type Filters = Record<string, QueryValue>;

/** How a range stands in a query's key: a preset moves with the time and is read again, a fixed one is not. */
function rangeKey(range: Range): string {
  return range.preset?.id ?? `${range.since}-${range.until}`;
}

function current(range: Range): { since: number; until: number } {
  if (range.preset === null) return { since: range.since, until: range.until };
  const { since, until } = readRange(new URLSearchParams({ range: range.preset.id }), Date.now());
  return { since, until };
}

export interface MetricsQuery extends Filters {
  by?: string;
  quantiles?: boolean;
  limit?: number;
}

function useMetrics<M extends ConnectionMetrics | InvocationMetrics>(head: string, path: string, range: Range, { points = true, ...query }: MetricsQuery & { points?: boolean }): UseQueryResult<M> {
  const account = useAccount();
  return useQuery({
    queryKey: [head, rangeKey(range), points, query],
    refetchInterval: every(range.preset === null ? false : LIVE),
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => fetchResult<M>(account(path), { signal, query: { ...query, ...current(range), ...(points ? { step: range.step } : {}) } }),
  });
}

export function useConnectionMetrics(range: Range, query: MetricsQuery & { points?: boolean } = {}) {
  return useMetrics<ConnectionMetrics>("connection-metrics", "/connectivity/metrics", range, query);
}

export function useInvocationMetrics(range: Range, query: MetricsQuery & { points?: boolean } = {}) {
  return useMetrics<InvocationMetrics>("invocation-metrics", "/workers/metrics", range, query);
}

/** The pages of a list that are wanted, as one list, and whether there are older ones. */
function pagesOf<T>(data: InfiniteData<Answer<T[]>>, wanted: number) {
  const pages = data.pages.slice(0, wanted);
  return {
    rows: pages.flatMap((page) => page.result),
    lost: pages[0]?.info.lost ?? 0,
    read: pages.length,
    more: (pages.at(-1)?.info.cursor ?? "") !== "",
  };
}

/** Reads a list on until it has the pages that are wanted, one after the other: where one begins, the one before it says. */
function useReadOn(query: { data: { read: number; more: boolean } | undefined; error: unknown; isFetching: boolean; isPlaceholderData: boolean; fetchNextPage: () => unknown }, wanted: number): void {
  const { data, error, isFetching, isPlaceholderData, fetchNextPage } = query;
  const read = data?.read ?? 0;
  const next = data?.more === true && read < wanted && !isFetching && !isPlaceholderData && error === null;
  useEffect(() => {
    if (next) void fetchNextPage();
  }, [next, read, fetchNextPage]);
}

function useRecords<T>(head: string, path: string, range: Range, filters: Filters, pages: number, live: boolean) {
  const account = useAccount();
  const query = useInfiniteQuery({
    queryKey: [head, rangeKey(range), filters],
    refetchInterval: everyPage(live && range.preset !== null ? LIVE : false),
    placeholderData: keepPreviousData,
    initialPageParam: "",
    queryFn: ({ signal, pageParam }) => call<T[]>(account(path), { signal, query: { limit: 50, ...filters, ...current(range), cursor: pageParam } }),
    getNextPageParam: (page) => page.info.cursor ?? "",
    select: (data) => pagesOf(data, pages),
  });
  useReadOn(query, pages);
  return query;
}

export function useConnectionEvents(range: Range, filters: Filters, pages: number) {
  return useRecords<ConnectionEvent>("events", "/connectivity/events", range, filters, pages, true);
}

export function useInvocations(range: Range, filters: Filters, pages: number, live: boolean) {
  return useRecords<Invocation>("invocations", "/workers/invocations", range, filters, pages, live);
}

/** One record, however old: by its id and the millisecond it is of. */
function usePinned<T extends { id: string }>(head: string, path: string, filters: Filters, pin: Pin | null): T | undefined {
  const account = useAccount();
  const query = useQuery({
    queryKey: [head, "pinned", filters, pin],
    enabled: pin !== null,
    staleTime: Infinity,
    queryFn: ({ signal }) => fetchResult<T[]>(account(path), { signal, query: { ...filters, since: pin?.at, until: (pin?.at ?? 0) + 1, limit: 1000 } }),
  });
  return query.data?.find((row) => row.id === pin?.id);
}

/** Which record, and when it is of, in milliseconds. */
export interface Pin {
  id: string;
  at: number;
}

export function usePinnedEvent(filters: Filters, pin: Pin | null) {
  return usePinned<ConnectionEvent>("events", "/connectivity/events", filters, pin);
}

export function usePinnedInvocation(filters: Filters, pin: Pin | null) {
  return usePinned<Invocation>("invocations", "/workers/invocations", filters, pin);
}

export function useWorkers() {
  const account = useAccount();
  return useQuery({ queryKey: ["workers"], refetchInterval: LIST, queryFn: ({ signal }) => fetchResult<Script[]>(account("/workers/scripts"), { signal }) });
}

function useOfWorker<R, T>(head: string, name: string, path: string, pick: (result: R) => T): UseQueryResult<T> {
  const account = useAccount();
  return useQuery({
    queryKey: [head, name],
    refetchInterval: every(LIST),
    queryFn: async ({ signal }) => pick(await fetchResult<R>(account(`/workers/scripts/${encodeURIComponent(name)}${path}`), { signal })),
  });
}

export function useWorkerSettings(name: string) {
  return useOfWorker("worker-settings", name, "/settings", (result: WorkerSettings) => result);
}

export function useVersions(name: string) {
  return useOfWorker("versions", name, "/versions", (result: Versions) => result.items);
}

export function useDeployments(name: string) {
  return useOfWorker("deployments", name, "/deployments", (result: Deployments) => result.deployments);
}

export function useRoutes(name: string) {
  return useOfWorker("routes", name, "/routes", (result: Route[]) => result);
}

export function useSchedules(name: string) {
  return useOfWorker("schedules", name, "/schedules", (result: Schedules) => result.schedules);
}

export function useSubdomain(name: string) {
  return useOfWorker("subdomain", name, "/subdomain", (result: Subdomain) => result);
}

export function useDomains() {
  const account = useAccount();
  return useQuery({ queryKey: ["domains"], refetchInterval: LIST, queryFn: ({ signal }) => fetchResult<CustomDomain[]>(account("/workers/domains"), { signal }) });
}

export function useTokens() {
  const account = useAccount();
  return useQuery({ queryKey: ["tokens"], refetchInterval: LIST, queryFn: ({ signal }) => fetchAll<ApiToken>(account("/tokens"), { signal }) });
}

export function usePermissionGroups() {
  const account = useAccount();
  return useQuery({ queryKey: ["permission-groups"], staleTime: Infinity, queryFn: ({ signal }) => fetchResult<PermissionGroup[]>(account("/tokens/permission_groups"), { signal }) });
}

/** The log of changes. One that is opened is read on to, however old it is, as far as lists go. */
export function useAudit(resource: string, pages: number, opened: string | null) {
  const account = useAccount();
  const query = useInfiniteQuery({
    queryKey: ["audit", resource],
    refetchInterval: everyPage(LIST),
    initialPageParam: "",
    queryFn: ({ signal, pageParam }) => call<AuditEntry[]>(account("/audit_logs"), { signal, query: { limit: 50, resource, cursor: pageParam } }),
    getNextPageParam: (page) => page.info.cursor ?? "",
    select: (data) => {
      const at = opened === null ? -1 : data.pages.findIndex((page) => page.result.some((entry) => entry.id === opened));
      const sought = opened !== null && at < 0;
      return { ...pagesOf(data, sought ? MOST_PAGES : Math.max(pages, at + 1)), sought };
    },
  });
  useReadOn(query, query.data?.sought ? MOST_PAGES : pages);
  return query;
}
