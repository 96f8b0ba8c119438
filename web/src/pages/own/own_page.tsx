import { getRouteApi, Link } from "@tanstack/react-router";
import { type Documents, queries } from "../../api/client";
import { Intervals } from "../../components/intervals";
import { Empty, Loaded, NotFound } from "../../components/states";
import { Table } from "../../components/table";
import { Verdict } from "../../components/verdict";
import { anyValue } from "../../format";
import type { PageProps } from "../page_props";
import { FormSection } from "./form_section";

const route = getRouteApi("/ui/$project/$page");

type Part = Documents["PageContent"]["parts"][number];
type TableDocument = Documents["TablePart"];
/** A cell with more letters is a sentence. */
const SENTENCE = 40;

/** A page that the project declares, drawn from generic parts. */
export function OwnPage({ project, view, show }: PageProps) {
  const { page } = route.useParams();
  const declared = queries.useQuery("get", "/api/projects/{name}/pages", { params: { path: { name: project } } });
  return <Loaded query={declared} title={titleOf(page, project)}>{(pages) => (pages.some(({ path }) => path === page) ? <Content project={project} page={page} item={view.item} show={show} /> : <NotFound />)}</Loaded>;
}

/** Until the project has said its own. */
function titleOf(page: string, project: string): string {
  return `${page.charAt(0).toUpperCase()}${page.slice(1)} of ${project}`;
}

interface ContentProps {
  project: string;
  page: string;
  item: string | undefined;
  show: PageProps["show"];
}

function Content({ project, page, item, show }: ContentProps) {
  const query = queries.useQuery("get", "/api/projects/{name}/pages/{page}", { params: { path: { name: project, page }, query: item === undefined ? {} : { item } } });
  return (
    <Loaded query={query} title={titleOf(page, project)}>
      {({ title, content }) => (
        <>
          <Verdict title={`${title} of ${project}`} sentence={content.sentence} tone={content.tone}>
            {item !== undefined && (
              <p className="facts">
                <Link to="/ui/$project/$page" params={{ project, page }} search={{}}>
                  All of {title}
                </Link>
              </p>
            )}
          </Verdict>
          {content.parts.map((part, place) => (
            <PartSection key={`${item ?? ""} ${place}`} part={part} project={project} page={page} show={show} />
          ))}
        </>
      )}
    </Loaded>
  );
}

function PartSection({ part, project, page, show }: { part: Part; project: string; page: string; show: PageProps["show"] }) {
  switch (part.kind) {
    case "text":
      return <p>{part.text}</p>;
    case "table":
      return <TableSection part={part} project={project} page={page} />;
    case "intervals":
      return <Intervals title={part.title} rows={part.rows} {...(part.mark_name === null ? {} : { markName: part.mark_name })} />;
    case "form":
      return <FormSection part={part} project={project} show={show} />;
  }
}

function TableSection({ part, project, page }: { part: TableDocument; project: string; page: string }) {
  if (part.rows.length === 0) return <Empty>{part.empty}</Empty>;
  const places = part.rows.map((_, place) => place);
  const cell = (row: number, column: number) => {
    const text = anyValue(part.rows[row]?.[column]);
    const [item, prediction] = [part.items[row], part.predictions[row]];
    if (column > 0 || !(item ?? prediction)) return text;
    return (
      <Link to="/ui/$project/$page" params={{ project, page: item ? page : "explain" }} search={item ? { item } : { prediction: prediction ?? "" }}>
        {text}
      </Link>
    );
  };
  return (
    <Table
      caption={part.title}
      rows={places}
      keyOf={(row) => row}
      columns={part.columns.map((head, column) => ({ head, cell: (row: number) => cell(row, column), isNumber: part.rows.every((values) => typeof values[column] === "number" || values[column] === null), isText: part.rows.some((values) => String(values[column] ?? "").length > SENTENCE) }))}
    />
  );
}
