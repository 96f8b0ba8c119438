/** What of a view is in its address beside the project and the page. */
export interface View {
  version?: string;
  prediction?: string;
  incident?: string;
  run?: string;
  source?: string;
  ingest?: string;
  snapshot?: string;
  kind?: string;
  entity?: string;
  at?: string;
  before?: string;
  since?: string;
  until?: string;
  compare?: string;
  rehearsal?: string;
  /** FIELD=VALUE: the rows of one value of a field. */
  slice?: string;
  item?: string;
}

export interface PageProps {
  project: string;
  view: View;
  /** Changes the address: what is undefined leaves it. */
  show: (change: Partial<View>) => void;
}
