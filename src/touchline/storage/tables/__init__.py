"""The tables of the metadata database.

Every row carries its project. Instants are aware and in UTC (`Instant`). An `id` is a ULID, so rows sort by
when they were made. `HEAD` is the schema that these tables are; a change here needs a migration and a new `HEAD`.
"""

from touchline.storage.tables.alerts import alert_deliveries as alert_deliveries
from touchline.storage.tables.alerts import alert_messages as alert_messages
from touchline.storage.tables.alerts import alert_positions as alert_positions
from touchline.storage.tables.alerts import incident_signals as incident_signals
from touchline.storage.tables.alerts import incident_silences as incident_silences
from touchline.storage.tables.alerts import incidents as incidents
from touchline.storage.tables.automation import drift_reports as drift_reports
from touchline.storage.tables.automation import performance_reports as performance_reports
from touchline.storage.tables.automation import pipeline_runs as pipeline_runs
from touchline.storage.tables.automation import pipeline_steps as pipeline_steps
from touchline.storage.tables.automation import schedule_events as schedule_events
from touchline.storage.tables.automation import schedule_ticks as schedule_ticks
from touchline.storage.tables.base import metadata as metadata
from touchline.storage.tables.features import feature_histories as feature_histories
from touchline.storage.tables.features import materializations as materializations
from touchline.storage.tables.ingest import http_cache as http_cache
from touchline.storage.tables.ingest import http_requests as http_requests
from touchline.storage.tables.ingest import manifests as manifests
from touchline.storage.tables.ingest import snapshot_heads as snapshot_heads
from touchline.storage.tables.ingest import snapshots as snapshots
from touchline.storage.tables.predictions import open_examples as open_examples
from touchline.storage.tables.predictions import outcomes as outcomes
from touchline.storage.tables.predictions import predictions as predictions
from touchline.storage.tables.predictions import settlements as settlements
from touchline.storage.tables.registry import model_versions as model_versions
from touchline.storage.tables.registry import releases as releases
from touchline.storage.tables.registry import stage_changes as stage_changes
from touchline.storage.tables.registry import test_looks as test_looks
from touchline.storage.tables.registry import training_sets as training_sets
from touchline.storage.tables.registry import version_metrics as version_metrics
from touchline.storage.tables.rehearsal import rehearsal_reports as rehearsal_reports
from touchline.storage.tables.rollout import rollout_events as rollout_events
from touchline.storage.tables.rollout import rollouts as rollouts
from touchline.storage.tables.routes import route_documents as route_documents
from touchline.storage.tables.work import api_keys as api_keys
from touchline.storage.tables.work import clocks as clocks
from touchline.storage.tables.work import key_changes as key_changes
from touchline.storage.tables.work import leases as leases

HEAD = "0008"
