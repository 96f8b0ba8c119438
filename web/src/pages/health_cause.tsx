import { useState } from "react";
import { queries } from "../api/client";
import { Failure, Loaded } from "../components/states";
import { Table } from "../components/table";
import { share } from "../format";

/** Computed when it is asked for, since it takes seconds. */
export function Cause({ project }: { project: string }) {
  const [isAsked, setAsked] = useState(false);
  const query = queries.useQuery("get", "/api/projects/{name}/model/cause", { params: { path: { name: project } } }, { enabled: isAsked, refetchInterval: false });
  return (
    <section>
      <h2>Cause</h2>
      {!isAsked && (
        <button type="button" onClick={() => setAsked(true)}>
          Explain the loss
        </button>
      )}
      {isAsked && query.error && <Failure error={query.error} />}
      {isAsked && !query.error && (
        <Loaded query={query}>
          {(cause) => (
            <>
              <p data-testid="cause">{cause.sentence}</p>
              {cause.facts.map((fact) => (
                <p key={fact}>Upstream: {fact}</p>
              ))}
              {cause.causes.length > 0 && (
                <Table
                  caption={cause.rivals > 1 ? `The first ${cause.rivals} explain the same change and cannot be told apart` : "Causes by the share of the change that each explains by itself: shares do not add up"}
                  rows={cause.causes}
                  keyOf={({ kind, name }) => `${kind} ${name}`}
                  columns={[
                    { head: "Cause", cell: ({ kind, name }) => `${kind} ${name}` },
                    { head: "Explains by itself", cell: (one) => share(one.share), isNumber: true },
                    { head: "Detail", cell: ({ detail }) => detail, isText: true },
                  ]}
                />
              )}
            </>
          )}
        </Loaded>
      )}
    </section>
  );
}
