import { Link } from "@tanstack/react-router";
import type { Documents } from "../api/client";
import { counted, instant } from "../format";

/** A source with more of them is folded. */
const SHOWN_INGESTS = 3;

/** From the release back to the bytes of the source files. */
export function Lineage({ trace }: { trace: Documents["PredictionTrace"] }) {
  const { project, version, semantic_version, release_id, release_digest, run_id, promoted_at, promoted_by, training_set_hash, sources } = trace;
  return (
    <section>
      <h2>Lineage</h2>
      <dl>
        <dt>Release</dt>
        <dd>
          {release_id} <small>{release_digest}</small>
        </dd>
        <dt>Version</dt>
        <dd>
          {version === null ? (
            "no longer stored"
          ) : (
            <Link to="/ui/$project/$page" params={{ project, page: "models" }} search={{ version: String(version) }}>
              version {version} ({semantic_version})
            </Link>
          )}
          {promoted_at !== null && `, in Production since ${instant(promoted_at)} by ${promoted_by}`}
        </dd>
        <dt>MLflow run</dt>
        <dd>{run_id ?? "no longer stored"}</dd>
        <dt>Training set</dt>
        <dd>{training_set_hash ?? "no longer stored"}</dd>
      </dl>
      {sources.map(({ source, snapshot_hash, ingests }) => (
        <details key={source} open={ingests.length <= SHOWN_INGESTS}>
          <summary>
            Files of the source {source}: {counted(ingests.length, "ingest")}, snapshot {snapshot_hash.slice(0, 12)}
          </summary>
          <ul>
            {ingests.map(({ manifest_id, at, files }) => (
              <li key={manifest_id}>
                {instant(at)} (wall clock), ingest {manifest_id}
                <ul>
                  {files.map(({ name, sha256 }) => (
                    <li key={name}>
                      {name} <small>sha256 {sha256}</small>
                    </li>
                  ))}
                </ul>
              </li>
            ))}
          </ul>
        </details>
      ))}
    </section>
  );
}
