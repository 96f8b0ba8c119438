import { LongTable } from "./long_table";
import { usePrinting } from "./printing";
import { Cells, Head, type TableProps } from "./table_parts";

/** A row of more columns is shown as a card on a phone. The roles say that it is a table all the same. */
const MOST_ON_A_PHONE = 3;
/** More rows than this scroll within the page, and only those in view are drawn. */
const MOST_DRAWN = 60;

export function Table<Row>(props: TableProps<Row>) {
  const isPrinting = usePrinting();
  if (props.rows.length > MOST_DRAWN && !isPrinting) return <LongTable {...props} />;
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
