/**
 * A table that becomes a list of cards where there is not room for its columns, however wide the screen is. The roles are written out because
 * CSS that changes `display` takes them away.
 */

import { useLayoutEffect, useRef, useState, type ReactNode } from "react";
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

/** With less room than this columns would be of single words. */
const NARROWEST = 640;

/** Whether there is room for the columns, measured before anybody sees them, after every change of what is in them and of the room. */
function useCards() {
  const table = useRef<HTMLTableElement>(null);
  /** What the columns took when they did not fit. */
  const needed = useRef(NARROWEST);
  const [cards, setCards] = useState(false);
  const measure = () => {
    const room = table.current?.parentElement?.clientWidth ?? 0;
    const taken = table.current?.offsetWidth ?? 0;
    if (room === 0) return;
    if (cards) {
      if (room >= needed.current) setCards(false);
    } else if (taken > room || room < NARROWEST) {
      needed.current = Math.max(taken, NARROWEST);
      setCards(true);
    }
  };
  const latest = useRef(measure);
  useLayoutEffect(() => {
    latest.current = measure;
    measure();
  });
  useLayoutEffect(() => {
    const box = table.current?.parentElement;
    if (box === null || box === undefined) return;
    const resized = new ResizeObserver(() => latest.current());
    resized.observe(box);
    return () => resized.disconnect();
  }, []);
  return { table, cards };
}

export function Table<T>({ label, columns, rows, rowKey }: { label: string; columns: readonly Column<T>[]; rows: readonly T[]; rowKey: (row: T) => string }) {
  const { table, cards } = useCards();
  return (
    <ScrollRegion className="table-wrap" label={`${label}, table`}>
      <table ref={table} className={cards ? "table cards" : "table"} role="table" aria-label={label}>
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
