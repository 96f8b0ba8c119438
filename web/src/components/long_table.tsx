import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import { Cells, Head, type TableProps } from "./table_parts";

const ROW_HEIGHT = 36;
const HEAD_ROWS = 1;

/** A table that scrolls within the page and draws the rows in view. A reader is told how many rows there are. */
export function LongTable<Row>({ caption, columns, rows, keyOf, isMarked, onEnd }: TableProps<Row>) {
  const place = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => place.current, estimateSize: () => ROW_HEIGHT, overscan: 12 });
  const drawn = virtual.getVirtualItems();
  const first = drawn[0];
  const last = drawn[drawn.length - 1];
  const isAtEnd = last !== undefined && last.index === rows.length - 1;
  useEffect(() => {
    if (isAtEnd) onEnd?.();
  }, [isAtEnd, onEnd]);
  return (
    <div className="table long" role="region" aria-label={caption} tabIndex={0} ref={place}>
      <table aria-rowcount={rows.length + HEAD_ROWS} style={{ minWidth: `${7 * columns.length}rem` }}>
        <caption>{caption}</caption>
        <Head columns={columns} />
        <tbody>
          {first !== undefined && first.start > 0 && <tr aria-hidden="true" style={{ height: first.start }} />}
          {drawn.map(({ index }) => {
            const row = rows[index];
            if (row === undefined) return null;
            return (
              <tr key={keyOf(row)} ref={virtual.measureElement} data-index={index} aria-rowindex={index + 1 + HEAD_ROWS} className={isMarked?.(row) ? "marked" : undefined}>
                <Cells row={row} columns={columns} />
              </tr>
            );
          })}
          {last !== undefined && <tr aria-hidden="true" style={{ height: virtual.getTotalSize() - last.end }} />}
        </tbody>
      </table>
    </div>
  );
}
