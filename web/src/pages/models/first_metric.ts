const FIRST_METRICS = ["log_loss", "rmse", "pr_auc", "accuracy"];

/** The name of the metric that stands for a version where there is room for one. */
export function firstMetric(metrics: readonly { name: string }[]): string | undefined {
  const names = metrics.map(({ name }) => name);
  return FIRST_METRICS.find((name) => names.includes(name)) ?? names[0];
}
