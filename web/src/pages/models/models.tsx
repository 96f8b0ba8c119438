import { Link } from "@tanstack/react-router";
import { type Documents, queries } from "../../api/client";
import { Intervals } from "../../components/intervals";
import { Empty, Loaded } from "../../components/states";
import { Table } from "../../components/table";
import { Badge, type Tone, Verdict } from "../../components/verdict";
import { count, day, decimal, instant } from "../../format";
import type { PageProps } from "../page_props";
import { StageHistory } from "./stage_history";
import { VersionDetail } from "./version_detail";

type Version = Documents["VersionSummary"];
const STAGE_TONES: Record<Version["stage"], Tone> = { Production: "good", Staging: "watch", None: "plain", Archived: "plain" };

/** Versions: what is live, what waits, on which numbers; and the changes that a person may make. */
export function ModelsPage({ project, view, show }: PageProps) {
  const params = { path: { name: project }, query: { limit: 200, ...(view.before === undefined ? {} : { before: Number(view.before) }) } };
  const query = queries.useQuery("get", "/api/projects/{name}/models", { params });
  return (
    <Loaded query={query} title={`Models of ${project}`}>
      {({ stages, items, total, next_before }) => (
        <>
          <Verdict title={`Models of ${project}`} sentence={stages.sentence} tone={stages.production === null ? "bad" : stages.staging === null ? "good" : "watch"} />
          {total === 0 && <Empty>No version yet. Train the first: touchline train -p {project}</Empty>}
          {view.version !== undefined && <VersionDetail project={project} version={view.version} close={() => show({ version: undefined })} />}
          {items.length > 0 && <VersionPicture versions={items} />}
          {items.length > 0 && <VersionTable project={project} versions={items} marked={view.version} />}
          {next_before !== null && (
            <button type="button" onClick={() => show({ before: String(next_before) })}>
              Older versions
            </button>
          )}
          {total > 0 && <StageHistory project={project} at={view.at} show={show} />}
        </>
      )}
    </Loaded>
  );
}

function VersionPicture({ versions }: { versions: Version[] }) {
  const metric = versions[0]?.headline;
  const rows = versions.slice(0, 12).flatMap((version) =>
    version.metrics
      .filter(({ name }) => name === metric)
      .map(({ value, low, high, baseline }) => ({ label: `version ${version.version}`, value, low, high, mark: baseline, isStrong: version.stage === "Production" })),
  );
  return <Intervals title={`${metric} on the test window, with 95 % intervals`} rows={rows} markName="constant baseline" />;
}

function VersionTable({ project, versions, marked }: { project: string; versions: Version[]; marked: string | undefined }) {
  const metric = versions[0]?.headline;
  return (
    <Table
      caption="Versions, newest first"
      rows={versions}
      keyOf={({ version }) => version}
      isMarked={({ version }) => String(version) === marked}
      columns={[
        {
          head: "Version",
          cell: ({ version, semantic_version }) => (
            <Link to="/ui/$project/$page" params={{ project, page: "models" }} search={{ version: String(version) }}>
              {version} ({semantic_version})
            </Link>
          ),
        },
        { head: "Stage", cell: ({ stage }) => <Badge tone={STAGE_TONES[stage]}>{stage}</Badge> },
        { head: "Model", cell: ({ name, recalibrates }) => (recalibrates === null ? name : `${name}, recalibrates ${recalibrates}`) },
        { head: metric ?? "metric", cell: ({ metrics }) => decimal(metrics.find(({ name }) => name === metric)?.value), isNumber: true },
        { head: "Test rows", cell: ({ rows }) => count(rows), isNumber: true },
        { head: "Test window", cell: ({ test_from, test_to }) => (test_from ? `${day(test_from)} to ${day(test_to)}` : "no time") },
        { head: "Trained (project time)", cell: ({ created_at }) => instant(created_at) },
      ]}
    />
  );
}
