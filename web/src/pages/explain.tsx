import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, answered, type Documents } from "../api/client";
import { Empty, Failure, Loading, Title, WithoutChoices } from "../components/states";
import { Table } from "../components/table";
import { TimeRange } from "../components/time_range";
import { Verdict } from "../components/verdict";
import { instant } from "../format";
import { PredictionDetail } from "./prediction_detail";
import type { PageProps } from "./page_props";

type Line = Documents["PredictionLine"];

/** Why a prediction is what it is; without one chosen, the newest to choose from. */
export function ExplainPage({ project, view, show }: PageProps) {
  return view.prediction === undefined ? <PredictionList project={project} view={view} show={show} /> : <PredictionDetail project={project} prediction={view.prediction} />;
}

function PredictionList({ project, view, show }: Omit<PageProps, "key">) {
  const { since, until, version } = view;
  const query = useInfiniteQuery({
    queryKey: ["predictions", project, since, until, version],
    queryFn: ({ pageParam }) => answered(api.GET("/api/projects/{name}/predictions", { params: { path: { name: project }, query: { before: pageParam, since, until, ...(version === undefined ? {} : { version: Number(version) }) } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_before ?? undefined,
  });
  const first = query.data?.pages[0];
  const isFiltered = [since, until, version].some((one) => one !== undefined);
  const filters = (
    <div className="filters">
      <TimeRange view={view} show={show} />
      <label>
        Version{" "}
        <input type="number" min={1} value={version ?? ""} onChange={(event) => show({ version: event.target.value || undefined })} />
      </label>
    </div>
  );
  if (first === undefined) {
    return (
      <>
        <Title>Predictions of {project}</Title>
        {isFiltered && filters}
        {query.error ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Loading />}
        {query.error && isFiltered && <WithoutChoices />}
      </>
    );
  }
  const rows = query.data?.pages.flatMap(({ items }) => items) ?? [];
  return (
    <>
      <Verdict title={`Predictions of ${project}`} sentence={first.sentence} tone="plain" />
      {(rows.length > 0 || isFiltered) && filters}
      {rows.length === 0 && isFiltered && <Empty>No prediction fits. Widen the days, or clear the version.</Empty>}
      {rows.length === 0 && !isFiltered && (
        <Empty>
          A version in Production predicts: see the page Models. Send a request: curl -s {location.origin}/projects/{project}/predict -d '…'. The fields stand in <a href="/docs">/docs</a>.
        </Empty>
      )}
      {rows.length > 0 && (
        <PredictionTable project={project} rows={rows} onEnd={query.hasNextPage ? () => void query.fetchNextPage() : undefined} />
      )}
      {query.isFetchNextPageError && <Failure error={query.error} />}
      {query.hasNextPage && (
        <button type="button" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          Older predictions
        </button>
      )}
    </>
  );
}

function PredictionTable({ project, rows, onEnd }: { project: string; rows: Line[]; onEnd: (() => void) | undefined }) {
  return (
    <Table
      caption="Newest first; choose one to see why"
      rows={rows}
      onEnd={onEnd}
      keyOf={({ prediction_id }) => prediction_id}
      columns={[
        {
          head: "Prediction",
          cell: ({ prediction_id }) => (
            <Link to="/ui/$project/$page" params={{ project, page: "explain" }} search={{ prediction: prediction_id }}>
              {prediction_id}
            </Link>
          ),
        },
        { head: "About", cell: ({ entity_keys, example_id }) => Object.values(entity_keys).join(" – ") || (example_id ?? "") },
        { head: "Predicted", cell: ({ predicted }) => predicted },
        { head: "Observed", cell: ({ label }) => (label === null ? "open" : String(label)) },
        { head: "Cutoff (project time)", cell: ({ cutoff }) => instant(cutoff) },
        { head: "Answered (wall clock)", cell: ({ answered_at }) => instant(answered_at) },
      ]}
    />
  );
}
