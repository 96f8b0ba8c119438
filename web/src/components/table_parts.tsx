import type { ReactNode } from "react";

export interface Column<Row> {
  head: string;
  cell: (row: Row) => ReactNode;
  isNumber?: boolean;
  /** A column of sentences, which keeps its width on a phone. */
  isText?: boolean;
}

export interface TableProps<Row> {
  caption: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string | number;
  isMarked?: (row: Row) => boolean;
  /** Called when the last row of a long table comes into view. */
  onEnd?: (() => void) | undefined;
}

export function Head<Row>({ columns }: { columns: Column<Row>[] }) {
  return (
    <thead role="rowgroup">
      <tr role="row">
        {columns.map(({ head, isNumber }) => (
          <th key={head} role="columnheader" scope="col" className={isNumber ? "number" : undefined}>
            {head}
          </th>
        ))}
      </tr>
    </thead>
  );
}

export function Cells<Row>({ row, columns }: { row: Row; columns: Column<Row>[] }) {
  return columns.map(({ head, cell, isNumber, isText }) => (
    <td key={head} role="cell" data-head={head} className={isNumber ? "number" : isText ? "text" : undefined}>
      {cell(row)}
    </td>
  ));
}
