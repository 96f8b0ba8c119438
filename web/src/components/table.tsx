import type { ReactNode } from "react";
import { LongTable } from "./long_table";

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

/** A row of more columns is shown as a card on a phone. The roles say that it is a table all the same. */
const MOST_ON_A_PHONE = 3;
/** More rows than this scroll within the page, and only those in view are drawn. */
const MOST_DRAWN = 60;

export function Table<Row>(props: TableProps<Row>) {
  if (props.rows.length > MOST_DRAWN) return <LongTable {...props} />;
  const { caption, columns, rows, keyOf, isMarked } = props;
  return (
    <div className="table" role="region" aria-label={caption} tabIndex={0}>
      <table role="table" className={columns.length > MOST_ON_A_PHONE ? "stacks" : undefined}>
        <caption>{caption}</caption>
        <Head columns={columns} />
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr role="row" key={keyOf(row)} className={isMarked?.(row) ? "marked" : undefined}>
              <Cells row={row} columns={columns} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
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
