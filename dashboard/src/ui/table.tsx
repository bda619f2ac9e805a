/** A table that becomes a list of cards on a narrow screen. The roles are written out because CSS that changes `display` takes them away. */

import type { ReactNode } from "react";
import { ScrollRegion } from "./scroll-region";

export interface Column<T> {
  label: string;
  cell: (row: T) => ReactNode;
  align?: "end";
  /** The name of the thing: the head of its card. */
  primary?: boolean;
  /** Takes the whole width of a card. */
  wide?: boolean;
}

export function Table<T>({ label, columns, rows, rowKey }: { label: string; columns: readonly Column<T>[]; rows: readonly T[]; rowKey: (row: T) => string }) {
  return (
    <ScrollRegion className="table-wrap" label={`${label}, table`}>
      <table className="table cards-when-narrow" role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => <th key={column.label} role="columnheader" scope="col" className={column.align ?? ""}>{column.label}</th>)}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={rowKey(row)} role="row">
              {columns.map((column) => (
                <td
                  key={column.label} role={column.primary ? "rowheader" : "cell"} data-label={column.label === "" ? undefined : column.label}
                  className={[column.align, column.primary ? "primary-cell" : "", column.wide ? "wide-cell" : ""].filter(Boolean).join(" ")}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}
