/** Calls of the API: the v4 envelope in and out, failures as one class. Knows nothing of React. */

import type { ApiErrorItem, Envelope, ResultInfo } from "./types";

const PREFIX = "/client/v4";

/** A call that was refused, or that did not come through. */
export class ApiFailure extends Error {
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly errors: ApiErrorItem[];

  constructor(status: number, errors: ApiErrorItem[]) {
    super(errors.map((item) => item.message).join(" ") || `The server answered with status ${status}.`);
    this.name = "ApiFailure";
    this.status = status;
    this.errors = errors;
  }

  has(code: number): boolean {
    return this.errors.some((item) => item.code === code);
  }

  /** What was asked for is not there (any more). */
  get isMissing(): boolean {
    return this.status === 404 && !this.isUnknownCall;
  }

  /** The server has no such call, as opposed to no such thing. */
  get isUnknownCall(): boolean {
    return this.has(7000) || this.has(10405);
  }
}

export type QueryValue = string | number | boolean | undefined | null | readonly string[];

export interface Call {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  query?: Record<string, QueryValue>;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

export interface Answer<T> {
  result: T;
  info: ResultInfo;
  messages: string[];
}

function search(query: Record<string, QueryValue> | undefined): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === null || value === "") continue;
    if (typeof value === "object") for (const item of value) params.append(name, item);
    else params.append(name, String(value));
  }
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}

function isEnvelope(value: unknown): value is Envelope<unknown> {
  return typeof value === "object" && value !== null && "success" in value;
}

/** Where a 401 is reported: the shell then asks to sign in again. */
let onSignedOut: () => void = () => undefined;

export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

/** Calls the API and gives the whole answer; fails with an `ApiFailure`. */
export async function call<T>(path: string, { method = "GET", query, body, signal }: Call = {}): Promise<Answer<T>> {
  let response: Response;
  try {
    response = await fetch(`${PREFIX}${path}${search(query)}`, {
      method,
      signal: signal ?? null,
      credentials: "same-origin",
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiFailure(0, [
      { code: 0, message: "The server cannot be reached. Check that Culvert runs and that this machine reaches it." },
    ]);
  }
  let envelope: unknown;
  try {
    envelope = await response.json();
  } catch {
    throw new ApiFailure(response.status, [
      { code: 0, message: `The server answered with status ${response.status} and something that is not JSON.` },
    ]);
  }
  if (!isEnvelope(envelope) || !envelope.success || !response.ok) {
    if (response.status === 401 && path !== "/session") onSignedOut();
    throw new ApiFailure(response.status, isEnvelope(envelope) ? (envelope.errors ?? []) : []);
  }
  return {
    result: envelope.result as T,
    info: envelope.result_info ?? {},
    messages: (envelope.messages ?? []).map((item) => item.message),
  };
}

/** Only the result of a call. */
export async function fetchResult<T>(path: string, options?: Call): Promise<T> {
  return (await call<T>(path, options)).result;
}

/** All pages of a list. */
export async function fetchAll<T>(path: string, options: Call = {}): Promise<T[]> {
  const items: T[] = [];
  for (let page = 1; ; page += 1) {
    const { result, info } = await call<T[]>(path, { ...options, query: { per_page: 1000, ...options.query, page } });
    items.push(...result);
    if (result.length === 0 || items.length >= (info.total_count ?? 0)) return items;
  }
}
