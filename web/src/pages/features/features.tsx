import { type Documents, queries } from "../../api/client";
import { Empty, Loaded } from "../../components/states";
import { Table } from "../../components/table";
import { Badge, Verdict } from "../../components/verdict";
import { anyValue, count, decimal, duration, instant } from "../../format";
import type { PageProps } from "../page_props";
import { Skew } from "./skew";

type ViewStats = Documents["ViewStats"];
const MOST_MODELS = 4;

/** The feature views: what is online, how its values are distributed, and the values of one entity. */
export function FeaturesPage({ project, view, show }: PageProps) {
  const query = queries.useQuery("get", "/api/projects/{name}/feature-store/stats", { params: { path: { name: project } } });
  return (
    <Loaded query={query} title={`Features of ${project}`}>
      {({ sentence, views, plurals, now }) => (
        <>
          <Verdict title={`Features of ${project}`} sentence={sentence} tone={views.every(({ online_rows }) => online_rows > 0) ? "good" : "watch"} />
          {views.length > 0 && <ViewTable views={views} now={now} />}
          <Skew project={project} />
          {views.map((one) => (
            <Distributions key={one.view} view={one} />
          ))}
          {plurals.length > 0 && <EntitySearch project={project} plurals={plurals} kind={view.kind ?? plurals[0] ?? ""} entity={view.entity} show={show} />}
        </>
      )}
    </Loaded>
  );
}

function ViewTable({ views, now }: { views: ViewStats[]; now: string }) {
  return (
    <Table
      caption="Feature views"
      rows={views}
      keyOf={({ view }) => view}
      columns={[
        { head: "View", cell: ({ view }) => view },
        { head: "Entity", cell: ({ entity }) => entity },
        { head: "Online", cell: ({ online_rows }) => count(online_rows), isNumber: true },
        { head: "History", cell: ({ history_rows }) => count(history_rows), isNumber: true },
        { head: "Complete up to", cell: ({ watermark }) => instant(watermark) },
        { head: "Age", cell: ({ watermark }) => (watermark === null ? "–" : duration((Date.parse(now) - Date.parse(watermark)) / 1000)), isNumber: true },
        { head: "Materialized", cell: ({ materialized_at }) => instant(materialized_at) },
        { head: "Used by versions", cell: ({ models }) => (models.length > MOST_MODELS ? `${models.slice(-MOST_MODELS).join(", ")} and ${models.length - MOST_MODELS} more` : models.join(", ")) },
        { head: "Version", cell: ({ feature_version }) => feature_version },
      ]}
    />
  );
}

function Distributions({ view }: { view: ViewStats }) {
  return (
    <details>
      <summary>
        {view.view}: {view.features.length} features
      </summary>
      <Table
        caption="Newest values over all entities"
        rows={view.features}
        keyOf={({ name }) => name}
        columns={[
          { head: "Feature", cell: ({ name }) => name },
          { head: "Values", cell: (one) => count(one.count), isNumber: true },
          { head: "Nulls", cell: ({ nulls }) => count(nulls), isNumber: true },
          { head: "Mean", cell: ({ mean }) => decimal(mean), isNumber: true },
          { head: "5, 25, 50, 75, 95 %", cell: ({ quantiles }) => quantiles.map((one) => decimal(one, 2)).join("  ") },
          { head: "Levels", cell: ({ levels }) => levels.map(([name, rows]) => `${name} ${rows}`).join(", ") },
        ]}
      />
    </details>
  );
}

interface EntitySearchProps {
  project: string;
  plurals: string[];
  kind: string;
  entity: string | undefined;
  show: PageProps["show"];
}

function EntitySearch({ project, plurals, kind, entity, show }: EntitySearchProps) {
  const params = { path: { name: project, plural: kind }, query: { limit: 500 } };
  const query = queries.useQuery("get", "/api/projects/{name}/feature-store/{plural}", { params });
  return (
    <section>
      <h2>One entity</h2>
      <label>
        Kind{" "}
        <select value={kind} onChange={(event) => show({ kind: event.target.value, entity: undefined })}>
          {plurals.map((plural) => (
            <option key={plural}>{plural}</option>
          ))}
        </select>
      </label>{" "}
      <Loaded query={query}>
        {({ items, join_keys, total }) =>
          total === 0 ? (
            <Empty>No entity has values yet: touchline train -p {project} computes and materializes them.</Empty>
          ) : (
            <label>
              Entity{" "}
              <select value={entity ?? ""} onChange={(event) => show({ kind, entity: event.target.value || undefined })}>
                <option value="">choose one of {total}</option>
                {items.map((item) => {
                  const key = join_keys.map((name) => String(item[name])).join(",");
                  return <option key={key}>{key}</option>;
                })}
              </select>
            </label>
          )
        }
      </Loaded>
      {entity !== undefined && <Entity project={project} kind={kind} entity={entity} />}
    </section>
  );
}

function Entity({ project, kind, entity }: { project: string; kind: string; entity: string }) {
  const params = { path: { name: project, plural: kind, key: entity }, query: { history: 0 } };
  const query = queries.useQuery("get", "/api/projects/{name}/feature-store/{plural}/{key}", { params });
  return (
    <Loaded query={query}>
      {({ views, now }) => (
        <>
          {views.length === 0 && <Empty>No view has values of it.</Empty>}
          {views.map((one) => (
            <article className="detail" key={one.view}>
              <h3>
                {one.view} <Badge tone={one.status === "present" ? "good" : "watch"}>{one.status}</Badge>
              </h3>
              <p>
                Known since {instant(one.event_timestamp)}, {one.event_timestamp === null ? "" : `${duration((Date.parse(now) - Date.parse(one.event_timestamp)) / 1000)} old`}
                {one.ttl_seconds === null ? "" : ` of at most ${duration(one.ttl_seconds)}`}
              </p>
              <dl>
                {Object.entries(one.values).map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name}-value`}>{anyValue(value)}</dd>])}
              </dl>
            </article>
          ))}
        </>
      )}
    </Loaded>
  );
}
