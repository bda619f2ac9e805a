/** Workers: the words of bindings, and the change of settings that an edit amounts to. Pure. */

import type { Binding, Deployment, Version } from "../api/types";

const KINDS: Record<string, string> = {
  plain_text: "Variable",
  json: "Variable (JSON)",
  secret_text: "Secret",
  service: "Worker",
  version_metadata: "Version metadata",
  vpc_service: "VPC Service",
  vpc_network: "VPC Network",
};

export function bindingKind(binding: Binding): string {
  return KINDS[binding.type] ?? binding.type;
}

export function isVariable(binding: Binding): boolean {
  return binding.type === "plain_text" || binding.type === "json";
}

export function variableText(binding: Binding): string {
  return binding.type === "json" ? JSON.stringify(binding.json, null, 2) : (binding.text ?? "");
}

/** A binding as a change of settings names it: what is not changed is inherited, so that no secret is needed to repeat it. */
export type RequestedBinding = Binding | { name: string; type: "inherit" };

export interface VariableEdit {
  name: string;
  kind: "plain_text" | "json";
  text: string;
}

/** Why a variable cannot be kept, if it cannot. */
export function variableFault(edit: VariableEdit, taken: readonly string[]): { field: "name" | "text"; message: string } | null {
  if (edit.name === "") return { field: "name", message: "Give the variable a name." };
  if (taken.includes(edit.name)) return { field: "name", message: `There is a binding ${edit.name} already.` };
  if (edit.kind === "json") {
    try {
      JSON.parse(edit.text);
    } catch (error) {
      return { field: "text", message: `This is not JSON: ${error instanceof Error ? error.message : "it cannot be read"}.` };
    }
  }
  if (new TextEncoder().encode(edit.text).length > 5 * 1024) return { field: "text", message: "A variable has at most 5 KB." };
  return null;
}

/** The bindings to send: `before` with one variable set (under another name perhaps), or taken away. */
export function changedBindings(before: readonly Binding[], replaced: string | null, edit: VariableEdit | null): RequestedBinding[] {
  const kept: RequestedBinding[] = before.filter((binding) => binding.name !== replaced).map(({ name }) => ({ name, type: "inherit" as const }));
  if (edit === null) return kept;
  const value: Binding = edit.kind === "json"
    ? { name: edit.name, type: "json", json: JSON.parse(edit.text) as unknown }
    : { name: edit.name, type: "plain_text", text: edit.text };
  return [...kept, value];
}

/** The share of the requests that a version serves now. */
export function shareOf(version: string, deployments: readonly Deployment[]): number {
  return deployments[0]?.versions.find((item) => item.version_id === version)?.percentage ?? 0;
}

/** The versions of a deployment that gives `percentage` to one version and the rest to the one that serves most now. */
export function split(version: string, percentage: number, deployments: readonly Deployment[]): { version_id: string; percentage: number }[] {
  const rest = [...(deployments[0]?.versions ?? [])].sort((a, b) => b.percentage - a.percentage).find((item) => item.version_id !== version);
  if (percentage >= 100 || rest === undefined) return [{ version_id: version, percentage: 100 }];
  return [{ version_id: version, percentage }, { version_id: rest.version_id, percentage: 100 - percentage }];
}

export function versionMessage(version: Pick<Version, "annotations">): string {
  return version.annotations["workers/message"] ?? "";
}

export function versionTag(version: Pick<Version, "annotations">): string {
  return version.annotations["workers/tag"] ?? "";
}
